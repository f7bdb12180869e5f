from pathlib import Path

from entrypoints.settings import markdown_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_has_the_table_of_settings_as_it_is() -> None:
    assert markdown_table().strip() in README.read_text()
