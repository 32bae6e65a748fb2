//! Addresses: those of our own give the state again, and no other does harm.

use super::*;
use crate::trace::WeightType;

fn check(state: &State) {
    let fragment = state.to_fragment();
    let (again, unreadable) = State::from_fragment(&fragment);
    assert_eq!((again, unreadable), (state.clone(), Vec::new()), "{fragment}");
    assert_eq!(State::from_fragment(&format!("#{fragment}")).0, *state, "{fragment}");
}

/// A small generator of even numbers below `n`: xorshift, so that a failure comes again.
struct Dice(u32);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % n
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 16] = [
            "the ",
            "[MASK]",
            " ",
            "&t=",
            "#",
            "%",
            "%41",
            "+",
            "é",
            "مرحبا",
            "猫",
            "👩‍🚀",
            "\n",
            "<script>",
            "\"",
            "=;,",
        ];
        (0..self.below(12)).map(|_| *self.one(&PARTS)).collect()
    }
}

#[test]
fn any_state_comes_back_from_its_address() {
    let mut dice = Dice(0x9e37_79b9);
    for _ in 0..2_000 {
        let mut state = State {
            view: dice.one(&View::ALL).1,
            theme: *dice.one(&[Theme::Auto, Theme::Light, Theme::Dark]),
            lang: dice.one(&[None, Some("de".to_owned()), Some("pt-BR".to_owned())]).clone(),
            notes_hidden: dice.below(2) == 0,
            ..State::default()
        };
        if dice.below(2) == 0 {
            let panel = (*dice.one(state.view.panels())).to_owned();
            let [edit, reveal, keys] = [0; 3].map(|_| dice.below(2) == 0);
            let scale = *dice.one(&[1.0, 1.25, 1.4, 2.0]);
            state.embed = Some(Embed { panel, edit, reveal, keys, scale });
        }
        if dice.below(3) == 0 {
            state.models.set(
                Family::Bert,
                "url:https://a.example/m,n/é?x=1&y=2/",
                None,
                Some(WeightType::F16),
            );
        }
        let text = dice.text();
        match state.view {
            View::Mask => {
                state.mask.set_text(&text);
                state.mask.put(0, "word");
                state.mask.focus_on(dice.below(3));
                state.mask.top_k = 1 + dice.below(50);
            }
            View::Attention => {
                state.attention.text = Some(text);
                for _ in 0..dice.below(4) {
                    let head = HeadIndex { layer: dice.below(12), head: dice.below(12) };
                    state.attention.off.toggle(*dice.one(&[Family::Bert, Family::Gpt2]), head);
                }
            }
            View::Generate => state.generate.set_text(&text),
        }
        check(&state);
    }
}

#[test]
fn a_strange_address_gives_a_state_that_has_an_address_of_its_own() {
    let long = "x".repeat(100_000);
    let keys = "v view theme lang notes m embed panel edit reveal keys scale t fill mask focus k guess cover show l h gl gh q \
                key sp off T tk tp seed step br"
        .split(' ')
        .collect::<Vec<_>>();
    let values = [
        "",
        "0",
        "-1",
        "1e400",
        "NaN",
        "inf",
        "99999999999999999999999",
        "%",
        "%zz",
        "%00",
        "%ff%fe",
        "%F0%9F",
        "\u{202e}",
        "<script>alert(1)</script>",
        "javascript:alert(1)",
        "[MASK]",
        "1,2,3",
        "1,,",
        "b1.1,",
        "mask",
        "__proto__",
        "\0",
        &long,
    ];
    for view in ["mask", "attention", "generate", "none"] {
        for key in &keys {
            for value in values {
                for fragment in [
                    format!("view={view}&{key}={value}"),
                    format!("view={view}&embed=1&{key}={value}&{key}=1"),
                    format!("#?&&=&{key}&view={view}&{key}={value}&=x"),
                ] {
                    let (state, unreadable) = State::from_fragment(&fragment);
                    let known = unreadable.iter().all(|key| keys.contains(&key.as_str()));
                    assert!(known, "{unreadable:?} of {}", fragment.chars().take(80).collect::<String>());
                    check(&state);
                }
            }
        }
    }
    for fragment in
        [long.clone(), "&".repeat(100_000), "%".repeat(100_000), "a=b&".repeat(30_000), "t".repeat(9) + &long]
    {
        assert_eq!(State::from_fragment(&fragment), (State::default(), Vec::new()));
    }
}

#[test]
fn what_cannot_be_read_is_named_and_takes_its_default() {
    for (fragment, key) in [
        ("view=nonsense", "view"),
        ("view=Mask", "view"),
        ("v=2", "v"),
        ("theme=blue", "theme"),
        ("lang=de_DE", "lang"),
        ("lang=<b>", "lang"),
        ("notes=no", "notes"),
        ("embed=2", "embed"),
        ("m=gpt,bert", "m"),
        ("m=bert", "m"),
        ("m=url:file:///etc/passwd,gpt", "m"),
        ("m=url:javascript:alert(1),gpt", "m"),
        ("weights=int4", "weights"),
    ] {
        assert_eq!(State::from_fragment(fragment), (State::default(), vec![key.to_owned()]), "{fragment}");
    }
    for (fragment, key) in
        [("panel=heatmap", "panel"), ("scale=NaN", "scale"), ("scale=3", "scale"), ("edit=", "edit")]
    {
        let (state, unreadable) = State::from_fragment(&format!("embed=1&{fragment}"));
        assert_eq!(
            (state.embed, unreadable),
            (Some(Embed::of(View::Mask)), vec![key.to_owned()]),
            "{fragment}"
        );
    }
    let (_, unreadable) = State::from_fragment(&format!("t={}", "é".repeat(LONGEST_VALUE + 1)));
    assert_eq!(unreadable, ["t"]);
}

#[test]
fn of_a_key_that_stands_twice_the_first_counts() {
    let (state, unreadable) = State::from_fragment("view=attention&view=mask&theme=dark&theme=blue");
    assert_eq!((state.view, state.theme, unreadable), (View::Attention, Theme::Dark, Vec::new()));
}

#[test]
fn an_address_of_one_lesson_leaves_the_others_as_they_are() {
    let mut here = State::default();
    here.mask.set_text("kept");
    let (there, _) = State::from_fragment("view=attention&t=new");
    let merged = there.with_other_lessons_of(here.clone());
    assert_eq!((merged.view, &merged.mask), (View::Attention, &here.mask));
    let (there, _) = State::from_fragment("view=mask&t=new");
    assert_eq!(there.with_other_lessons_of(here).mask.text(), "new");
}
