//! Numbers as the page prints them (design: section 3).

/// A probability in percent, one decimal, `<0.1 %` below; a no-break space before the sign.
pub fn percent(p: impl Into<f64>) -> String {
    let percent = p.into() * 100.0;
    if percent > 0.0 && percent < 0.05 { "<0.1\u{a0}%".to_owned() } else { format!("{percent:.1}\u{a0}%") }
}

/// A weight in a selected row: whole percent, without the sign.
pub fn whole_percent(weight: f32) -> String {
    format!("{:.0}", f64::from(weight) * 100.0)
}

/// A signed number with the true minus sign.
pub fn signed(value: f32, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if value < 0.0 && !zero { format!("\u{2212}{text}") } else { text }
}

/// From one probability to another in percentage points, the sign always printed: the difference of what [`percent`]
/// prints, so that a reader's own subtraction comes out.
pub fn points(before: f32, after: f32) -> String {
    let tenths = |p: f32| (f64::from(p) * 1000.0).round();
    let text = signed(((tenths(after) - tenths(before)) / 10.0) as f32, 1);
    let bare = text.starts_with('\u{2212}') || text == "0.0";
    if bare { text } else { format!("+{text}") }
}

/// How many decimals the numbers of a row have: one, or none where they are so long that they would run together.
pub fn decimals(row: &[f32]) -> usize {
    usize::from(row.iter().all(|value| *value > -10.0 && *value < 100.0))
}

/// A whole number with commas between thousands.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes, in thousands or millions where it has so many.
pub fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number}\u{a0}B"),
        1_000..1_000_000 => format!("{:.1}\u{a0}KB", number as f64 / 1e3),
        _ => format!("{:.1}\u{a0}MB", number as f64 / 1e6),
    }
}

/// A number in millions, with as many decimals as a small one needs.
pub fn millions(number: usize) -> String {
    let millions = number as f64 / 1e6;
    let decimals = if millions >= 1.0 { 1 } else { 2 };
    format!("{millions:.decimals$}")
}

/// A time in seconds, from a minute on in minutes.
pub fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.0}\u{a0}s")
    } else {
        format!("{:.0}\u{a0}min", (seconds / 60.0).ceil())
    }
}

/// A small number in scientific notation with superscript digits: `4 × 10⁻⁵`.
pub fn scientific(value: f32) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    let mantissa = value / 10f32.powi(exponent);
    let superscript: String = exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            _ => '⁰',
        })
        .collect();
    format!("{mantissa:.0}\u{a0}×\u{a0}10{superscript}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_the_design_says() {
        for (p, text) in
            [(0.462, "46.2\u{a0}%"), (0.0004, "<0.1\u{a0}%"), (0.0, "0.0\u{a0}%"), (1.0, "100.0\u{a0}%")]
        {
            assert_eq!(percent(p), text);
        }
        for (seconds, text) in [(4.6, "5\u{a0}s"), (59.0, "59\u{a0}s"), (61.0, "2\u{a0}min")] {
            assert_eq!(duration(seconds), text);
        }
        for (weights, text) in
            [(28_650, "0.03"), (999_000, "1.00"), (7_043_074, "7.0"), (124_439_808, "124.4")]
        {
            assert_eq!(millions(weights), text);
        }
        for (value, text) in [(-1.25, "\u{2212}1.2"), (0.04, "0.0"), (-0.04, "0.0"), (12.0, "12.0")] {
            assert_eq!(signed(value, 1), text);
        }
        for (before, after, text) in [
            (0.6134, 0.3804, "\u{2212}23.3"),
            (0.0384, 0.0386, "+0.1"),
            (0.0381, 0.0384, "0.0"),
            (0.0, 1.0, "+100.0"),
        ] {
            assert_eq!(points(before, after), text);
        }
        for (row, count) in [(&[-9.9, 99.9][..], 1), (&[0.1, -43.3], 0), (&[100.0], 0), (&[], 1)] {
            assert_eq!(decimals(row), count);
        }
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (30_522, "30,522"), (1_234_567, "1,234,567")]
        {
            assert_eq!(thousands(number), text);
        }
        for (number, text) in [(0, "0\u{a0}B"), (2_048, "2.0\u{a0}KB"), (1_234_567, "1.2\u{a0}MB")] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(scientific(4.2e-5), "4\u{a0}×\u{a0}10⁻⁵");
        assert_eq!(whole_percent(0.314), "31");
    }
}
