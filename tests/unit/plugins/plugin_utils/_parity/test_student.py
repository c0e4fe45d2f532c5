# Copyright: (c) 2026, the vfio.workstation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Student's t distribution, compared with scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ansible_collections.vfio.workstation.plugins.plugin_utils._parity import student


@given(value=st.floats(-60, 60), freedom=st.integers(1, 400))
def test_the_distribution_function(value: float, freedom: int) -> None:
    assert student.cdf(value, freedom) == pytest.approx(stats.t.cdf(value, freedom), rel=1e-9, abs=1e-300)


@given(probability=st.floats(1e-5, 1 - 1e-5), freedom=st.integers(1, 400))
def test_the_quantile(probability: float, freedom: int) -> None:
    expected = stats.t.ppf(probability, freedom)
    assert student.quantile(probability, freedom) == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, -0.0])
def test_the_middle(value: float) -> None:
    assert student.cdf(value, 7) == 0.5
    assert student.quantile(0.5, 7) == pytest.approx(0.0, abs=1e-12)
