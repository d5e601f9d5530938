import submarine_jupyter


def test_public_names_are_sorted_and_exist() -> None:
    names = submarine_jupyter.__all__

    assert names == sorted(names)
    assert [name for name in names if not hasattr(submarine_jupyter, name)] == []
