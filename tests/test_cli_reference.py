"""docs/cli.md is what the parsers say today."""

from cli_reference import PAGE, PROGRAMS, document


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), "run scripts/cli_reference.py"


def test_every_command_has_a_section_with_its_flags() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for program, commands in PROGRAMS.items():
        for name in commands:
            section = page.partition(f"\n### {program} {name}\n")[2].partition("\n### ")[0]
            assert section.count("\n| `") >= 2, f"{program} {name}"
