from explorer.analysis.units import compact, count, memory, percent, rounded, shape_text


def test_a_count_shows_every_digit():
    assert count(25_557_032) == "25,557,032"


def test_compact_keeps_three_significant_digits():
    assert compact(25_557_032) == "25.6 M"
    assert compact(4_089_184_256) == "4.09 G"
    assert compact(270_896) == "271 K"
    assert compact(9_408) == "9.41 K"
    assert compact(512) == "512"
    assert compact(0) == "0"


def test_compact_moves_to_the_next_prefix_where_rounding_reaches_it():
    assert compact(999_499) == "999 K"
    assert compact(999_500) == "1.00 M"


def test_rounded_has_neither_prefix_nor_exponent():
    assert rounded(3_656.2) == "3,660"
    assert rounded(999.6) == "1,000"
    assert rounded(123.4) == "123"
    assert rounded(2.0) == "2"
    assert rounded(0.05123) == "0.0512"
    assert rounded(12_345.6, 4) == "12,350"


def test_memory_is_binary():
    assert memory(11_038_720) == "10.5 MiB"
    assert memory(3 * 2**30) == "3.00 GiB"
    assert memory(512) == "512 B"
    assert memory(1000) == "0.98 KiB"


def test_half_way_is_rounded_up_as_the_tables_of_the_browser_do():
    assert memory(6.125 * 2**20) == "6.13 MiB"
    assert memory(6.115 * 2**20) == "6.12 MiB"
    assert compact(1_125_000) == "1.13 M"


def test_a_share_too_small_for_a_decimal_is_not_shown_as_zero():
    assert percent(0.12345) == "12.3%"
    assert percent(0.0004) == "<0.1%"
    assert percent(0) == "0.0%"
    assert percent(1) == "100.0%"


def test_a_shape_drops_the_batch_unless_asked():
    assert shape_text((1, 64, 112, 112)) == "64 × 112 × 112"
    assert shape_text((8, 3, 32, 32), batch=True) == "8 × 3 × 32 × 32"
    assert shape_text((1000,)) == "1000"
    assert shape_text(()) == "scalar"
