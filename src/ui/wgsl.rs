//! WGSL as it is shown: comments apart from code.

/// The parts of a source in their order, each with whether it is a comment. Joined they are the source again. Only
/// comments to the end of a line are told apart; our kernels have no others, and WGSL has no strings that could hold one.
pub fn parts(source: &str) -> Vec<(bool, &str)> {
    let mut parts = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find("//") {
        let (code, from) = rest.split_at(start);
        // The comment lines that follow directly are one part with it.
        let mut end = 0;
        for line in from.split_inclusive('\n') {
            if !line.trim_start().starts_with("//") {
                break;
            }
            end += line.len();
        }
        let (comment, after) = from.split_at(end);
        if !code.is_empty() {
            parts.push((false, code));
        }
        parts.push((true, comment));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push((false, rest));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_told_from_code_and_nothing_is_lost() {
        for (source, expected) in [
            ("", &[][..]),
            ("let a = 1;\n", &[(false, "let a = 1;\n")]),
            ("// one\n  // two\nlet b = 2 / 3;", &[(true, "// one\n  // two\n"), (false, "let b = 2 / 3;")]),
            ("a(); // why\nb();\n", &[(false, "a(); "), (true, "// why\n"), (false, "b();\n")]),
            ("a();\n// ü", &[(false, "a();\n"), (true, "// ü")]),
        ] {
            assert_eq!(parts(source), expected);
            assert_eq!(parts(source).iter().map(|(_, part)| *part).collect::<String>(), source);
        }
    }
}
