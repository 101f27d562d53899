from __future__ import annotations

import numpy as np
import pytest

from taxi_assets.trips.draws import Ints, below, chance, draw, key, pick, remainder, spread

ROWS = np.arange(100_000, dtype=np.int64)


@pytest.fixture(scope="module")
def draws() -> Ints:
    return draw(np.full(len(ROWS), key("taxi", "2020-04", 0)), "fare", ROWS)


def test_a_row_draws_the_same_alone(draws: Ints) -> None:
    assert draw(np.full(1, key("taxi", "2020-04", 0)), "fare", ROWS[77:78]) == draws[77]


def test_draws_are_the_same_on_every_machine(draws: Ints) -> None:
    assert draws[:3].tolist() == [2552310977, 2114164791, 3688237445]


@pytest.mark.parametrize(("month", "name"), [("2020-05", "fare"), ("2020-04", "tip")])
def test_another_key_or_name_draws_unrelated_numbers(draws: Ints, month: str, name: str) -> None:
    others = draw(np.full(len(ROWS), key("taxi", month, 0)), name, ROWS)
    assert abs(np.corrcoef(draws, others)[0, 1]) < 0.02


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_chance_is_as_large_as_its_share(draws: Ints, share: float) -> None:
    assert chance(draws, share).mean() == pytest.approx(share, abs=0.01 * (0 < share < 1))


def test_pick_follows_the_weights(draws: Ints) -> None:
    picked = pick(draws, {7: 1, 9: 3})
    assert set(picked) == {7, 9}
    assert (picked == 9).mean() == pytest.approx(0.75, abs=0.01)


def test_spread_gives_equal_shares_to_the_parts_between_knots(draws: Ints) -> None:
    values = spread(draws, (0, 10, 1000))
    assert values.min() == 0
    assert values.max() == 999
    assert (values < 10).mean() == pytest.approx(0.5, abs=0.01)


def test_below_and_remainder_hold_the_whole_draw(draws: Ints) -> None:
    assert (below(draws, 7) * 2**32 + remainder(draws, 7) == draws * 7).all()
