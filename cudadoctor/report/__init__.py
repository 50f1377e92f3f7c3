"""From a diagnosis to text or bytes. Nothing here prints."""
