//! The continuations of a prompt: branches of tokens that share their beginnings, and where the reader stands.

use crate::engine::protocol::Sampling;

/// How many branches fit on the screen.
pub const MOST_BRANCHES: usize = 6;

/// A token of a continuation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Its row in the vocabulary.
    pub id: u32,
    /// What it was drawn with; none if the reader picked it.
    pub by: Option<Sampling>,
}

/// One continuation, from the prompt to its tip.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// Its name: A to F.
    pub letter: char,
    /// Its tokens.
    pub path: Vec<Drawn>,
}

impl Branch {
    /// The ids of its first `depth` tokens.
    pub fn ids(&self, depth: usize) -> Vec<u32> {
        self.path.iter().take(depth).map(|drawn| drawn.id).collect()
    }

    /// How many tokens it shares with `path`, from the prompt on.
    pub fn shared(&self, path: &[Drawn]) -> usize {
        self.path.iter().zip(path).take_while(|(a, b)| a.id == b.id).count()
    }
}

/// Another branch would be one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {MOST_BRANCHES} branches already; delete one to open another")]
pub struct Crowded;

/// All continuations, of which there is at least one, and the place in one of them. No branch is the beginning of
/// another.
#[derive(Clone, Debug, PartialEq)]
pub struct Branches {
    all: Vec<Branch>,
    current: usize,
    cursor: usize,
}

impl Default for Branches {
    fn default() -> Branches {
        Branches { all: vec![Branch { letter: 'A', path: Vec::new() }], current: 0, cursor: 0 }
    }
}

impl Branches {
    /// Every branch, in the order in which they were opened.
    pub fn all(&self) -> &[Branch] {
        &self.all
    }

    /// The place in [`Branches::all`] of the branch that the reader is on.
    pub fn current(&self) -> usize {
        self.current
    }

    /// How many tokens lie between the prompt and the reader.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The whole branch that the reader is on.
    pub fn line(&self) -> &[Drawn] {
        &self.all[self.current].path
    }

    /// The tokens from the prompt to the reader.
    pub fn path(&self) -> &[Drawn] {
        &self.line()[..self.cursor]
    }

    /// The ids of [`Branches::path`].
    pub fn ids(&self) -> Vec<u32> {
        self.all[self.current].ids(self.cursor)
    }

    /// The next token of the branch that the reader is on, if it goes on.
    pub fn ahead(&self) -> Option<Drawn> {
        self.line().get(self.cursor).copied()
    }

    /// Goes one token on: along a branch that has this token here, else by making the branch longer, else by
    /// opening another.
    ///
    /// # Errors
    /// [`Crowded`]; then nothing changes.
    pub fn advance(&mut self, token: Drawn) -> Result<(), Crowded> {
        let depth = self.cursor;
        let has_it = |branch: &Branch| {
            branch.shared(self.path()) == depth
                && branch.path.get(depth).map(|next| next.id) == Some(token.id)
        };
        let on_current = has_it(&self.all[self.current]).then_some(self.current);
        if let Some(known) = on_current.or_else(|| self.all.iter().position(has_it)) {
            self.current = known;
            // The newer reason counts: the address need not name what would be drawn again.
            self.all[known].path[depth] = token;
        } else if depth == self.line().len() {
            self.all[self.current].path.push(token);
        } else {
            if self.all.len() == MOST_BRANCHES {
                return Err(Crowded);
            }
            let path = self.path().iter().copied().chain([token]).collect();
            self.open(path);
            self.current = self.all.len() - 1;
        }
        self.cursor = depth + 1;
        Ok(())
    }

    /// Adds a branch unless it is the beginning of one that is there, or there are too many. Whether it was added.
    pub fn add(&mut self, path: Vec<Drawn>) -> bool {
        let known = self.all.iter().any(|branch| branch.shared(&path) == path.len().min(branch.path.len()));
        let fits = !known && self.all.len() < MOST_BRANCHES;
        if fits {
            self.open(path);
        }
        fits
    }

    fn open(&mut self, path: Vec<Drawn>) {
        let free = ('A'..='Z').find(|letter| self.all.iter().all(|branch| branch.letter != *letter));
        self.all.push(Branch { letter: free.unwrap_or('A'), path });
    }

    /// Goes to the place after `depth` tokens of a branch; nowhere if there is none such.
    pub fn focus(&mut self, branch: usize, depth: usize) {
        if let Some(found) = self.all.get(branch).filter(|found| depth <= found.path.len()) {
            // On what branches share, the reader stays on the one where they were.
            if found.path[..depth].len() != self.all[self.current].shared(&found.path[..depth]) {
                self.current = branch;
            }
            self.cursor = depth;
        }
    }

    /// Removes a branch, except the last one. A reader on it goes to where it left the others.
    pub fn delete(&mut self, branch: usize) {
        if self.all.len() < 2 || branch >= self.all.len() {
            return;
        }
        let removed = self.all.remove(branch);
        if branch == self.current {
            let here = &removed.path[..self.cursor];
            let nearest = self.all.iter().enumerate().map(|(index, other)| (other.shared(here), index));
            // Of equally near ones the first.
            let (shared, index) = nearest.rev().max_by_key(|(shared, _)| *shared).unwrap_or_default();
            self.current = index;
            self.cursor = shared;
        } else if branch < self.current {
            self.current -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(id: u32) -> Drawn {
        Drawn { id, by: None }
    }

    /// Branches after going along each of these paths from the prompt; the reader is at the last one's tip.
    fn after(paths: &[&[u32]]) -> Branches {
        let mut branches = Branches::default();
        for path in paths {
            branches.focus(branches.current(), 0);
            for id in *path {
                branches.advance(picked(*id)).unwrap();
            }
        }
        branches
    }

    fn letters(branches: &Branches) -> String {
        branches.all().iter().map(|branch| branch.letter).collect()
    }

    #[test]
    fn going_on_makes_a_branch_longer_follows_it_or_opens_another() {
        let mut branches = after(&[&[1, 2, 3]]);
        assert_eq!((letters(&branches).as_str(), branches.ids()), ("A", vec![1, 2, 3]));

        branches.focus(0, 1);
        branches.advance(picked(2)).unwrap();
        assert_eq!((branches.all().len(), branches.cursor()), (1, 2));

        branches.advance(picked(9)).unwrap();
        assert_eq!((letters(&branches).as_str(), branches.ids()), ("AB", vec![1, 2, 9]));

        // Back on what both share, the token of A leads back to A.
        branches.focus(1, 2);
        branches.advance(picked(3)).unwrap();
        assert_eq!((branches.current(), branches.all().len()), (0, 2));
    }

    #[test]
    fn a_seventh_branch_is_refused_and_nothing_changes() {
        let mut branches = after(&[&[1], &[2], &[3], &[4], &[5], &[6]]);
        branches.focus(0, 0);
        let before = branches.clone();
        assert_eq!(branches.advance(picked(7)), Err(Crowded));
        assert_eq!(branches, before);
        branches.delete(2);
        assert_eq!(branches.advance(picked(7)), Ok(()));
        assert_eq!(letters(&branches), "ABDEFC");
    }

    #[test]
    fn who_stands_on_a_deleted_branch_goes_to_where_it_left_the_others() {
        let mut branches = after(&[&[1, 2, 3], &[1, 2, 4, 5], &[1, 7]]);
        branches.focus(1, 4);
        branches.delete(1);
        assert_eq!((branches.ids(), letters(&branches).as_str()), (vec![1, 2], "AC"));
        branches.focus(1, 2);
        branches.delete(0);
        assert_eq!((branches.ids(), letters(&branches).as_str()), (vec![1, 7], "C"));
        branches.delete(0);
        assert_eq!(branches.all().len(), 1);
    }

    #[test]
    fn a_place_that_does_not_exist_is_not_gone_to() {
        let mut branches = after(&[&[1, 2], &[1, 3]]);
        let before = branches.clone();
        branches.focus(5, 0);
        branches.focus(0, 3);
        assert_eq!(branches, before);
        branches.focus(0, 1);
        assert_eq!((branches.current(), branches.cursor()), (1, 1));
    }

    #[test]
    fn no_branch_is_the_beginning_of_another() {
        let mut branches = after(&[&[1, 2, 3]]);
        for (path, added) in [(&[1, 2][..], false), (&[1, 2, 3, 4], false), (&[1, 5], true), (&[1, 5], false)]
        {
            assert_eq!(branches.add(path.iter().map(|id| picked(*id)).collect()), added, "{path:?}");
        }
    }
}
