"""Rules: facts to findings. One rule a file, in a folder named after the section of facts that it is about."""
