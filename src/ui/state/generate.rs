//! What is on the screen of "Generate".

mod branches;

use std::collections::BTreeMap;

pub use branches::{Branches, Crowded, Drawn, MOST_BRANCHES};

use super::Fragment;
use crate::engine::protocol::Sampling;

/// The largest top-k of the slider; beyond it lies "all".
pub const MOST_TOP_K: usize = 100;

/// The highest temperature of the slider.
pub const HIGHEST_TEMPERATURE: f32 = 2.0;

/// How the lesson begins: each of the three does something, and nothing too much.
pub const FIRST_SAMPLING: Sampling = Sampling { temperature: 0.8, top_k: 20, top_p: 0.9, seed: 7 };

/// The most steps that an address may ask for; no model of ours reads more tokens.
const MOST_STEPS: usize = 4096;

/// The token that comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// This one, without another draw.
    Token(Drawn),
    /// Whatever is drawn.
    Draw,
}

/// Steps that an address asks for and that are still to be taken.
#[derive(Clone, Debug, PartialEq)]
struct Replay {
    /// Where it ends, in tokens from the prompt.
    until: usize,
    /// What is picked on the way, by place from 0; the rest is drawn.
    picks: BTreeMap<usize, u32>,
}

/// The prompt, how tokens are drawn, and where the reader stands.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateState {
    text: String,
    /// Whether nobody has given a prompt yet.
    fresh: bool,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// The block, from 0, whose attention is shown; the last if none.
    pub layer: Option<usize>,
    branches: Branches,
    replay: Option<Replay>,
}

impl Default for GenerateState {
    fn default() -> GenerateState {
        GenerateState {
            text: String::new(),
            fresh: true,
            sampling: FIRST_SAMPLING,
            layer: None,
            branches: Branches::default(),
            replay: None,
        }
    }
}

impl GenerateState {
    /// The prompt.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nobody has given a prompt yet.
    pub fn is_untouched(&self) -> bool {
        self.fresh
    }

    /// Takes `text` if nobody has given a prompt yet.
    pub fn begin(&mut self, text: &str) {
        if self.fresh {
            self.text = text.to_owned();
            self.fresh = false;
        }
    }

    /// Another prompt begins another tree.
    pub fn set_text(&mut self, text: &str) {
        self.fresh = false;
        if text != self.text {
            self.text = text.to_owned();
            self.restart();
        }
    }

    /// Forgets every continuation.
    pub fn restart(&mut self) {
        self.branches = Branches::default();
        self.replay = None;
    }

    /// All continuations.
    pub fn branches(&self) -> &Branches {
        &self.branches
    }

    /// What comes next. A token that was picked, or drawn just as it would be drawn now, is followed; one that was
    /// drawn with other settings is drawn anew.
    pub fn next(&self) -> Next {
        let replayed = self.replay.as_ref().and_then(|replay| replay.picks.get(&self.branches.cursor()));
        let ahead = self.branches.ahead().filter(|ahead| ahead.by.is_none_or(|by| by == self.sampling));
        let pick = replayed.map(|id| Drawn { id: *id, by: None });
        pick.or(ahead).map_or(Next::Draw, Next::Token)
    }

    /// Goes one token on.
    ///
    /// # Errors
    /// [`Crowded`] if that needs a branch too many; then nothing changes but that a replay ends.
    pub fn advance(&mut self, token: Drawn) -> Result<(), Crowded> {
        let gone = self.branches.advance(token);
        let cursor = self.branches.cursor();
        if gone.is_err() || self.replay.as_ref().is_some_and(|replay| replay.until <= cursor) {
            self.replay = None;
        }
        gone
    }

    /// One token back.
    pub fn rewind(&mut self) {
        self.focus(self.branches.current(), self.branches.cursor().saturating_sub(1));
    }

    /// Back to the prompt.
    pub fn to_prompt(&mut self) {
        self.focus(self.branches.current(), 0);
    }

    /// Goes to the place after `depth` tokens of a branch.
    pub fn focus(&mut self, branch: usize, depth: usize) {
        self.replay = None;
        self.branches.focus(branch, depth);
    }

    /// Removes a branch, except the last one.
    pub fn delete(&mut self, branch: usize) {
        self.replay = None;
        self.branches.delete(branch);
    }

    /// Whether steps that an address asked for are still to be taken.
    pub fn replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// Takes no more steps than were taken.
    pub fn end_replay(&mut self) {
        self.replay = None;
    }

    /// The largest token id of all continuations, or one still to be picked: what no model's vocabulary holds came
    /// from a foreign address.
    pub fn largest_id(&self) -> Option<u32> {
        let known = self.branches.all().iter().flat_map(|branch| branch.path.iter().map(|drawn| drawn.id));
        known.chain(self.replay.iter().flat_map(|replay| replay.picks.values().copied())).max()
    }

    /// Takes what the fragment says of this lesson.
    pub fn read(&mut self, from: &mut Fragment) {
        if let Some(text) = from.get("t").map(str::to_owned) {
            self.set_text(&text);
        }
        if let Some(temperature) = from.read_in("T", 0.0..=HIGHEST_TEMPERATURE) {
            self.sampling.temperature = temperature;
        }
        let top_k = |value: &str| if value == "all" { Some(0) } else { value.parse().ok() };
        if let Some(top_k) = from.read_with("tk", |value| top_k(value).filter(|k| *k <= MOST_TOP_K)) {
            self.sampling.top_k = top_k;
        }
        if let Some(top_p) = from.read_in("tp", 0.0..=1.0) {
            self.sampling.top_p = top_p;
        }
        if let Some(seed) = from.read_in("seed", 0..=u32::MAX) {
            self.sampling.seed = seed;
        }
        if let Some(layer) = from.read_in("l", 1..=1000) {
            self.layer = Some(layer - 1);
        }
        let step = from.read_in("step", 0..=MOST_STEPS).unwrap_or(0);
        let picks = from.read_with("br", read_branches).unwrap_or_default();
        self.restore(step, picks);
    }

    /// Writes what differs from the default.
    pub fn write(&self, to: &mut Fragment) {
        let Sampling { temperature, top_k, top_p, seed } = self.sampling;
        if !self.fresh {
            to.set("t", &self.text);
        }
        to.set_unless("T", temperature, FIRST_SAMPLING.temperature);
        if top_k != FIRST_SAMPLING.top_k {
            if top_k == 0 { to.set("tk", "all") } else { to.set("tk", top_k) }
        }
        to.set_unless("tp", top_p, FIRST_SAMPLING.top_p);
        to.set_unless("seed", seed, FIRST_SAMPLING.seed);
        if let Some(layer) = self.layer {
            to.set("l", layer + 1);
        }
        to.set_unless("step", self.replay.as_ref().map_or(self.branches.cursor(), |replay| replay.until), 0);
        let branches = self.written_branches();
        if !branches.is_empty() {
            to.set("br", branches);
        }
    }

    /// Goes to `step`, the first list of picks on the way; the other lists are other branches. What is neither
    /// known nor picked is left to be replayed.
    fn restore(&mut self, step: usize, mut picks: Vec<BTreeMap<usize, u32>>) {
        let others = picks.split_off(picks.len().min(1));
        let mut first = picks.pop().unwrap_or_default();
        let mut line = Vec::new();
        while let Some(id) = first.remove(&line.len()) {
            line.push(Drawn { id, by: None });
        }
        self.branches = Branches::default();
        for token in &line {
            // The first branch cannot be one too many.
            let _ = self.branches.advance(*token);
        }
        for other in others {
            let fork = other.keys().next().copied().unwrap_or(0);
            if let Some(shared) = line.get(..fork) {
                self.branches.add(
                    shared
                        .iter()
                        .copied()
                        .chain(other.values().map(|id| Drawn { id: *id, by: None }))
                        .collect(),
                );
            }
        }
        self.branches.focus(0, step.min(line.len()));
        self.replay = (step > line.len()).then_some(Replay { until: step, picks: first });
    }

    /// The branches as the fragment holds them: `step:token,…` with steps from 1, the current branch first, `_`
    /// before each other one, which begins where it leaves the current one. A single branch at whose tip the reader
    /// stands names only what would not be drawn again by itself.
    fn written_branches(&self) -> String {
        let line = self.branches.line();
        let whole = self.branches.all().len() > 1 || self.branches.cursor() < line.len();
        let named = line.iter().enumerate().filter(|(_, drawn)| whole || drawn.by != Some(self.sampling));
        let named = named.map(|(at, drawn)| (at, drawn.id));
        let replayed = self.replay.iter().flat_map(|replay| replay.picks.iter().map(|(at, id)| (*at, *id)));
        let mut text = list(named.chain(replayed));
        for (index, branch) in self.branches.all().iter().enumerate() {
            if index != self.branches.current() {
                let own = branch.path.iter().enumerate().skip(branch.shared(line));
                text.push('_');
                text.push_str(&list(own.map(|(at, drawn)| (at, drawn.id))));
            }
        }
        text
    }
}

fn list(picks: impl Iterator<Item = (usize, u32)>) -> String {
    picks.map(|(at, id)| format!("{}:{id}", at + 1)).collect::<Vec<_>>().join(",")
}

/// What [`GenerateState::written_branches`] writes, with places from 0; none if it is anything else. Steps rise, and
/// those of the other branches leave none out.
fn read_branches(value: &str) -> Option<Vec<BTreeMap<usize, u32>>> {
    let mut branches = Vec::new();
    for (index, part) in value.split('_').enumerate() {
        if index == MOST_BRANCHES {
            return None;
        }
        let mut picks = BTreeMap::new();
        for entry in part.split(',').filter(|entry| !entry.is_empty()) {
            let (step, id) = entry.split_once(':')?;
            let at = step.parse::<usize>().ok().filter(|step| (1..=MOST_STEPS).contains(step))? - 1;
            let last = picks.last_key_value().map(|(last, _)| *last);
            let in_order = last.is_none_or(|last| if index == 0 { at > last } else { at == last + 1 });
            if !in_order {
                return None;
            }
            picks.insert(at, id.parse().ok()?);
        }
        branches.push(picks);
    }
    Some(branches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(state: &GenerateState) -> String {
        let mut to = Fragment::default();
        state.write(&mut to);
        to.to_string()
    }

    fn read(fragment: &str) -> (GenerateState, Vec<String>) {
        let mut from = Fragment::parse(fragment);
        let mut state = GenerateState::default();
        state.read(&mut from);
        (state, from.unreadable().to_vec())
    }

    fn drawn(id: u32) -> Drawn {
        Drawn { id, by: Some(FIRST_SAMPLING) }
    }

    fn picked(id: u32) -> Drawn {
        Drawn { id, by: None }
    }

    fn with(tokens: &[Drawn]) -> GenerateState {
        let mut state = GenerateState::default();
        state.begin("Once");
        for token in tokens {
            state.advance(*token).unwrap();
        }
        state
    }

    /// Takes the steps that are still to be taken, as the page does; `draw` stands for the model.
    fn replay(state: &mut GenerateState, draw: impl Fn(usize) -> u32) {
        while state.replaying() {
            let token = match state.next() {
                Next::Token(token) => token,
                Next::Draw => Drawn { id: draw(state.branches().cursor()), by: Some(state.sampling) },
            };
            state.advance(token).unwrap();
        }
    }

    #[test]
    fn what_was_drawn_is_replayed_and_what_was_picked_is_named() {
        let state = with(&[drawn(10), drawn(11), picked(50), drawn(13)]);
        let link = written(&state);
        assert_eq!(link, "t=Once&step=4&br=3%3A50");
        let (mut again, unreadable) = read(&link);
        assert!(unreadable.is_empty() && again.replaying());
        assert_eq!(written(&again), link);
        replay(&mut again, |at| 10 + at as u32);
        assert_eq!((again.branches().ids(), written(&again)), (vec![10, 11, 50, 13], link));
    }

    #[test]
    fn tokens_drawn_with_other_settings_are_named() {
        let mut state = with(&[drawn(10), drawn(11)]);
        state.sampling.seed = 8;
        assert_eq!(written(&state), "t=Once&seed=8&step=2&br=1%3A10%2C2%3A11");
        assert_eq!(read(&written(&state)).0.branches().ids(), [10, 11]);
    }

    #[test]
    fn branches_and_what_lies_ahead_come_back() {
        let mut state = with(&[drawn(1), drawn(2), drawn(3)]);
        state.focus(0, 1);
        state.advance(picked(7)).unwrap();
        state.to_prompt();
        state.advance(picked(9)).unwrap();
        state.focus(1, 1);
        let (again, unreadable) = read(&written(&state));
        assert!(unreadable.is_empty() && !again.replaying());
        assert_eq!(written(&again), written(&state));
        let ids = |state: &GenerateState| {
            let mut all: Vec<_> = state.branches().all().iter().map(|branch| branch.ids(9)).collect();
            all.sort();
            all
        };
        assert_eq!(ids(&again), [vec![1, 2, 3], vec![1, 7], vec![9]]);
        assert_eq!((again.branches().ids(), ids(&again)), (state.branches().ids(), ids(&state)));
    }

    #[test]
    fn forward_follows_what_would_come_again_and_draws_what_would_not() {
        let mut state = with(&[drawn(1), picked(2)]);
        state.to_prompt();
        assert_eq!(state.next(), Next::Token(drawn(1)));
        state.sampling.temperature = 0.0;
        assert_eq!(state.next(), Next::Draw);
        state.advance(Drawn { id: 1, by: Some(state.sampling) }).unwrap();
        assert_eq!((state.next(), state.branches().all().len()), (Next::Token(picked(2)), 1));
    }

    #[test]
    fn another_prompt_begins_another_tree_and_the_same_does_not() {
        let mut state = with(&[drawn(1)]);
        state.begin("Twice");
        state.set_text("Once");
        assert_eq!((state.text(), state.branches().cursor()), ("Once", 1));
        state.set_text("Once upon");
        assert_eq!(*state.branches(), Branches::default());
    }

    #[test]
    fn an_address_without_a_prompt_gets_the_prepared_one_and_a_deleted_prompt_stays_deleted() {
        let (mut state, _) = read("T=0.5");
        assert!(state.is_untouched());
        state.begin("Once");
        state.set_text("");
        assert!(!state.is_untouched());
        state.begin("Once");
        assert_eq!((state.text(), read(&written(&state)).0.is_untouched()), ("", false));
    }

    #[test]
    fn settings_come_back() {
        let mut state = with(&[]);
        state.sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 0.35, seed: u32::MAX };
        state.layer = Some(2);
        let (again, unreadable) = read(&written(&state));
        assert_eq!((again, unreadable.is_empty()), (state, true));
        assert_eq!(written(&with(&[])), "t=Once");
    }

    #[test]
    fn hostile_values_take_their_defaults_and_are_named() {
        for (fragment, key) in [
            ("T=-1", "T"),
            ("T=NaN", "T"),
            ("T=1e40", "T"),
            ("tk=101", "tk"),
            ("tk=-1", "tk"),
            ("tp=2", "tp"),
            ("seed=4294967296", "seed"),
            ("seed=<script>", "seed"),
            ("step=99999999999", "step"),
            ("l=0", "l"),
            ("br=1", "br"),
            ("br=0:5", "br"),
            ("br=2:5,1:5", "br"),
            ("br=1:5,1:6", "br"),
            ("br=1:-5", "br"),
            ("br=1:5,2:6_1:7,3:8", "br"),
            ("br=______", "br"),
            ("br=1:99999999999", "br"),
        ] {
            assert_eq!(read(fragment), (GenerateState::default(), vec![key.to_owned()]), "{fragment}");
        }
        // Branches that leave the current one where it does not go are left out.
        assert_eq!(read("br=1:5_4:6").0.branches().all().len(), 1);
        assert_eq!(read("br=1:5_1:7").0.largest_id(), Some(7));
    }

    #[test]
    fn what_the_reader_does_ends_a_replay() {
        let (mut state, _) = read("t=Once&step=5&br=4:9");
        assert_eq!(state.largest_id(), Some(9));
        state.advance(drawn(1)).unwrap();
        assert!(state.replaying());
        state.rewind();
        assert_eq!((state.replaying(), state.largest_id()), (false, Some(1)));
    }
}
