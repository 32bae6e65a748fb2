//! Where the words of a strip stand, and the arcs from one of them to the others. Lengths are in px.

/// The height of the strip of words.
pub const WORD_HEIGHT: f64 = 25.0;

/// The least space between two words.
const GAP: f64 = 8.0;

/// The narrowest place of a word: a number must fit.
const NARROWEST: f64 = 22.0;

/// The highest arc.
const HIGHEST: f64 = 66.0;

/// Words in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// The middle of each word.
    pub middles: Vec<f64>,
    /// The width of each word.
    pub widths: Vec<f64>,
    /// The width of the whole.
    pub width: f64,
}

impl Strip {
    /// The words side by side over `available` px, or over more where they need it.
    pub fn new(words: &[impl AsRef<str>], available: f64) -> Strip {
        let widths: Vec<f64> = words.iter().map(|word| width(word.as_ref()).max(NARROWEST)).collect();
        let taken: f64 = widths.iter().sum::<f64>() + GAP;
        let gaps = widths.len().saturating_sub(1) as f64;
        let gap = if gaps > 0.0 { ((available - taken) / gaps).max(GAP) } else { 0.0 };
        let mut at = GAP / 2.0;
        let middles = widths
            .iter()
            .map(|width| {
                let middle = at + width / 2.0;
                at += width + gap;
                middle
            })
            .collect();
        Strip { middles, width: available.max(taken + gaps * gap), widths }
    }

    /// From where to where the words of a range stand, half the gaps around them included.
    pub fn extent(&self, words: std::ops::Range<usize>) -> Option<(f64, f64)> {
        let edge = |left: usize| {
            let right = self.middles.get(left + 1)? - self.widths.get(left + 1)? / 2.0;
            Some((self.middles.get(left)? + self.widths.get(left)? / 2.0 + right) / 2.0)
        };
        let last = words.end.checked_sub(1).filter(|last| *last < self.middles.len() && !words.is_empty())?;
        let from = words.start.checked_sub(1).map_or(Some(0.0), edge)?;
        let to = if last + 1 == self.middles.len() { self.width } else { edge(last)? };
        Some((from, to))
    }
}

/// One arc, from the word that looks to one that is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arc {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// How far its handles reach away from the strip.
    pub height: f64,
    /// The width of its line.
    pub width: f64,
    /// How solid its line is, 0 to 1.
    pub opacity: f64,
}

impl Arc {
    /// The arc of a weight.
    pub fn new(strip: &Strip, from: usize, to: usize, weight: f32) -> Option<Arc> {
        let (from, to) = (*strip.middles.get(from)?, *strip.middles.get(to)?);
        let weight = f64::from(weight.clamp(0.0, 1.0));
        Some(Arc {
            from,
            to,
            height: HIGHEST.min(12.0 + (to - from).abs() * 0.28),
            width: 0.8 + weight * 16.0,
            opacity: (0.35 + weight * 2.4).min(0.95),
        })
    }

    /// The path of an SVG: both ends at `y`, above it if `up`, else below.
    pub fn path(&self, y: f64, up: bool) -> String {
        let Arc { from, to, height, .. } = self;
        let handle = if up { y - height } else { y + height };
        format!("M{from:.1} {y:.1}C{from:.1} {handle:.1} {to:.1} {handle:.1} {to:.1} {y:.1}")
    }
}

/// About how wide a word is in the strip's type: what is narrow, usual and wide in most serif faces of 15 px.
fn width(word: &str) -> f64 {
    word.chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ';' | ':' | '!' | '\'' | '’' | '|'
            | ' ' => 5.2,
            'm' | 'w' | 'M' | 'W' | '@' | '—' => 13.0,
            c if c.is_ascii_uppercase() => 10.5,
            c if c as u32 >= 0x1100 => 15.5,
            _ => 8.3,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fill_the_width_and_never_overlap() {
        let sentence = ["The", "busker", "picked", "up", "her", "violin", "."];
        let long = vec!["reconsideration"; 64];
        for (words, available) in
            [(&sentence[..], 478.0), (&sentence[..], 100.0), (&long[..], 478.0), (&["a"][..], 50.0)]
        {
            let strip = Strip::new(words, available);
            assert!(strip.width >= available);
            for at in 1..words.len() {
                let left = strip.middles[at - 1] + strip.widths[at - 1] / 2.0;
                assert!(strip.middles[at] - strip.widths[at] / 2.0 - left >= GAP - 1e-9);
            }
            let end = strip.middles[words.len() - 1] + strip.widths[words.len() - 1] / 2.0;
            assert!(end <= strip.width);
        }
        assert!(Strip::new(&[] as &[&str], 100.0).middles.is_empty());
    }

    #[test]
    fn extents_of_neighbours_meet() {
        let strip = Strip::new(&["a", "b", "c", "d"], 300.0);
        let (left, right) = (strip.extent(0..2).unwrap(), strip.extent(2..4).unwrap());
        assert_eq!((left.0, left.1, right.1), (0.0, right.0, 300.0));
        assert_eq!(strip.extent(2..2), None);
        assert_eq!(strip.extent(2..5), None);
    }

    #[test]
    fn heavier_arcs_are_wider_and_more_solid() {
        let strip = Strip::new(&["a", "b", "c"], 300.0);
        let (light, heavy) = (Arc::new(&strip, 0, 2, 0.02).unwrap(), Arc::new(&strip, 0, 2, 0.8).unwrap());
        assert!(light.width < heavy.width && light.opacity < heavy.opacity && heavy.opacity <= 1.0);
        assert!(light.height <= HIGHEST);
        assert!(Arc::new(&strip, 0, 3, 0.1).is_none());
        assert!(heavy.path(10.0, true).contains(" -"), "the handles of a high arc lie above the top");
    }
}
