"""All commands together, and what happens to mistakes: one line, exit code 2, never a traceback."""

from __future__ import annotations

import errno
import os
import re
import sys
from typing import Annotated, Any

import typer

from cudadoctor import __version__
from cudadoctor.cli import bandwidth, check, devices, fleet, profile, race, setup, why
from cudadoctor.cli.delivery import RefusedError, leave_stdout, refuse
from cudadoctor.cli.ending import as_ctrl_c

app = typer.Typer(
    name="cudadoctor",
    help="Says what is wrong with a CUDA environment, and why the GPU may be slower than the CPU.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help answers in half the time, and reads well in 80 columns.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check", short_help="Find what is wrong, from the PCI bus to a kernel that runs.")(check.check)
app.command("devices", short_help="Show all that is known of each GPU, and what two differ in.")(devices.devices)
app.command("bandwidth", short_help="Measure copies to and from the GPU, and judge them.")(bandwidth.bandwidth)
app.command("dbn-race", short_help="Race the CPU against the GPU on the network of 2014.")(race.dbn_race)
app.command(
    "profile",
    short_help="Run a Python program and say why it is slow on the GPU.",
    context_settings={"allow_interspersed_args": False},  # what follows the script is the script's
)(profile.profile)
app.command("setup", short_help="Print the steps that are left until this GPU computes.")(setup.setup)
app.command("why", short_help="Name the causes of a pasted error or log; print the page of a finding.")(why.why)
app.add_typer(fleet.app, name="fleet", short_help="Hold many machines against each other.")


def _version(value: bool) -> None:
    if value:
        print(f"cudadoctor {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _heed_named_shell(arguments: list[str]) -> None:
    """Let `--show-completion fish` mean fish: typer takes the shell that it is called from, and drops the word."""
    options = ("--show-completion", "--install-completion")
    if len(arguments) > 1 and arguments[0] in options and not arguments[1].startswith("-"):
        os.environ["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    _heed_named_shell(arguments)
    try:
        with as_ctrl_c():
            result: Any = typer.main.get_command(app).main(arguments, prog_name="cudadoctor", standalone_mode=False)
        if result == 130:  # typer makes this of Ctrl-C, and says nothing
            return refuse(arguments, "interrupted", 130)
        if sys.stdout is not None:
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except RefusedError as refusal:
        return refuse(arguments, str(refusal), refusal.exit_code)
    except BrokenPipeError:  # the reader has gone (`| head`)
        leave_stdout()
        return 0
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # which typer turns into exit code 1
            raise
        leave_stdout()
        return 0
    except KeyboardInterrupt:
        return refuse(arguments, "interrupted", 130)
    except Exception as error:  # noqa: BLE001 - the user gets one line; the traceback is for who asks for it
        return _explain(arguments, error)


def _explain(arguments: list[str], error: Exception) -> int:
    """Tell a usage error from a defect of cudadoctor."""
    if type(error).__name__ == "Abort":
        return refuse(arguments, "interrupted", 130)
    message = getattr(error, "format_message", None)
    if (
        message is not None and type(error).__name__ == "NoArgsIsHelpError"
    ):  # no command was named: its message is the help
        print(message(), file=sys.stderr)
        return 2
    if message is not None:
        context = getattr(error, "ctx", None)
        help_command = f"{context.command_path} --help" if context is not None else "cudadoctor --help"
        text = _plain(" ".join(str(message()).split()))
        return refuse(arguments, f"{text} See `{help_command}`", 2) if text else 2
    if os.environ.get("CUDADOCTOR_TRACEBACK"):
        raise error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        leave_stdout()
        return refuse(arguments, f"cannot write standard output: {error.strerror}", 2)
    if isinstance(error, OSError) and arguments[:1] == ["--install-completion"]:
        return refuse(arguments, f"completion was not installed: {error.filename}: {error.strerror}", 2)
    if isinstance(error, ModuleNotFoundError) and (error.name or "cudadoctor").partition(".")[0] != "cudadoctor":
        text = (
            f"the Python package {error.name} is not installed for {sys.executable}; install cudadoctor with its needs"
        )
        return refuse(arguments, f"{text}: python -m pip install . in a checkout", 2)
    return refuse(
        arguments,
        f"a defect of cudadoctor: {type(error).__name__}: {error}. "
        "Run again with CUDADOCTOR_TRACEBACK=1 and report what it prints",
        3,
    )


def _plain(text: str) -> str:
    """Return a usage error in words: typer names its own types and writes ranges as formulas."""
    text = text.replace("a valid float range", "a number").replace("a valid int range", "a whole number")
    text = re.sub(r"not in the range (\S+?)<=x<=(\S+?)\.?$", r"not between \1 and \2", text)
    text = re.sub(r"not in the range x>=(\S+?)\.?$", r"less than \1", text)
    text = text.rstrip(".")
    return text if text.endswith("?") else f"{text}."
