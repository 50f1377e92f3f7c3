"""Lines for the start-up files of shells."""

from __future__ import annotations

import pytest

from cudadoctor.rules.setup.shell import list_line, path_line, set_line, shell_of, start_up_file
from tests.rules import build as b


@pytest.mark.parametrize(
    ("shell", "file", "line"),
    [
        ("/bin/bash", "~/.bashrc", "export CUDA_HOME=/usr/local/cuda"),
        ("/usr/bin/zsh", "~/.zshrc", "export CUDA_HOME=/usr/local/cuda"),
        ("/opt/bin/fish", "~/.config/fish/config.fish", "set -gx CUDA_HOME /usr/local/cuda"),
        ("/usr/bin/pwsh", "$PROFILE", '$env:CUDA_HOME = "/usr/local/cuda"'),
        ("/usr/bin/unheard-of", "~/.bashrc", "export CUDA_HOME=/usr/local/cuda"),
        ("", "~/.bashrc", "export CUDA_HOME=/usr/local/cuda"),
    ],
)
def test_each_shell_has_its_file_and_its_words(shell: str, file: str, line: str) -> None:
    machine = b.machine(environment=b.environment(SHELL=shell))
    assert start_up_file(machine) == file
    assert set_line(shell_of(machine), "CUDA_HOME", "/usr/local/cuda") == line


def test_bash_of_macos_reads_its_profile_and_windows_is_powershell_whatever_git_bash_says() -> None:
    bash = b.environment(SHELL="/bin/bash")
    assert start_up_file(b.machine(host=b.host(system="Darwin"), environment=bash)) == "~/.bash_profile"
    assert start_up_file(b.machine(host=b.host(system="Windows"), environment=bash)) == "$PROFILE"


def test_paths_are_put_in_front_in_each_shell() -> None:
    assert path_line("bash", "/c/bin") == 'export PATH="/c/bin:$PATH"'
    assert path_line("fish", "/c/bin") == "fish_add_path /c/bin"
    assert path_line("powershell", r"C:\c\bin", windows=True) == r'$env:Path = "C:\c\bin;$env:Path"'
    assert path_line("powershell", "/c/bin") == '$env:PATH = "/c/bin:$env:PATH"'
    assert list_line("fish", "DYLD_LIBRARY_PATH", "/c/lib") == "set -gx DYLD_LIBRARY_PATH /c/lib $DYLD_LIBRARY_PATH"
