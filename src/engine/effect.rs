//! What keeping a model's weights in fewer bits changes: the same model twice on one text.

use super::protocol::{Problem, RoundingEffect, RunRequest};
use super::session::Session;
use crate::trace::{Family, Hook, WeightType};

/// What BERT reads: everyday words in several sentences, one in seven of them hidden.
const HIDDEN: &str = "The old man walked slowly across the [MASK] in the morning, and the children who lived near the [MASK] \
                      ran to meet him. He had bread in his [MASK] for each of them. \"Where are you going?\" the youngest \
                      [MASK]. \"To the sea,\" he said, \"if it does not [MASK] before noon.\"";
/// The same for GPT, which is asked at every word.
const WHOLE: &str = "The old man walked slowly across the bridge in the morning, and the children who lived near the river \
                     ran to meet him. He had bread in his pocket for each of them. \"Where are you going?\" the youngest \
                     asked. \"To the sea,\" he said, \"if it does not rain before noon.\"";

impl Session {
    /// Whether its weights are kept in fewer bits than the file has.
    pub fn is_rounded(&self) -> bool {
        let bits = |weights| match weights {
            WeightType::F32 => 32,
            WeightType::F16 => 16,
            WeightType::Int8 => 8,
        };
        bits(self.weights()) < bits(self.stored())
    }

    /// Compares its scores with those of the same model in full: at every mask (BERT), or after every token (GPT).
    ///
    /// # Errors
    /// `no-head` if the model has no scores; as [`Session::run`].
    pub async fn effect(&self, full: &Session) -> Result<RoundingEffect, Problem> {
        let family = self.card().family;
        let text = if family == Family::Bert { HIDDEN } else { WHOLE };
        let ask = RunRequest { text: text.to_owned(), want: vec![Hook::Logits], ..RunRequest::default() };
        let (mine, theirs) = (self.run_aside(&ask).await?, full.run_aside(&ask).await?);
        let (Some(mine_scores), Some(full_scores)) =
            (mine.activation(Hook::Logits), theirs.activation(Hook::Logits))
        else {
            return Err(Problem::new(
                "no-head",
                "the model has no head, so that there are no scores to compare",
            ));
        };
        let places: Vec<usize> = match family {
            Family::Bert => mine.predictions.iter().map(|prediction| prediction.position).collect(),
            Family::Gpt2 => (0..mine.tokens.len()).collect(),
        };
        let mut effect = RoundingEffect { positions: places.len(), same_best: 0, max_abs_diff: 0.0 };
        let width = self.card().vocabulary;
        let rows = mine_scores.data.chunks(width).zip(full_scores.data.chunks(width)).enumerate();
        for (_, (a, b)) in rows.filter(|(place, _)| places.contains(place)) {
            effect.same_best += usize::from(best(a) == best(b));
            let diffs = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            effect.max_abs_diff = diffs.fold(effect.max_abs_diff, f32::max);
        }
        Ok(effect)
    }
}

/// Where the largest score is.
fn best(scores: &[f32]) -> Option<usize> {
    (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
}
