//! GPT-2's forward pass (Radford et al. 2019): pre-norm blocks, keys and values kept for the next token.

use super::builder::{And, Builder};
use super::kernels::linear::Rows;
use crate::checkpoint::{Gpt2Config, Gpt2Weights};
use crate::trace::Hook;

/// Writes the pass.
pub(super) fn forward(plan: &mut Builder, config: &Gpt2Config, weights: &Gpt2Weights) {
    let (heads, epsilon) = (config.n_head, config.layer_norm_epsilon);

    let words = plan.words(&weights.wte);
    let mut x = plan.embed(&words, (&weights.wpe, 0), None);
    for (l, layer) in weights.layers.iter().enumerate() {
        plan.hook(Hook::ResidPre(l), x);
        let normed = plan.normed(x, &layer.ln_1, epsilon);
        let qkv = plan.qkv(normed, &layer.c_attn, l, heads);
        let z = plan.attend(qkv, l, heads, config.attention_scale(l), config.sight[l]);
        let and = And { residual: Some(x), hook: Some(Hook::AttnOut(l)), ..And::default() };
        let mid = plan.linear(z, &layer.c_proj, Rows::New, and);
        plan.hook(Hook::ResidMid(l), mid);

        let normed = plan.normed(mid, &layer.ln_2, epsilon);
        let called = format!("blocks.{l}.mlp.hook_post");
        let and = And { activation: Some(config.activation_function), called, ..And::default() };
        let inner = plan.linear(normed, &layer.c_fc, Rows::New, and);
        let and = And { residual: Some(mid), hook: Some(Hook::MlpOut(l)), ..And::default() };
        x = plan.linear(inner, &layer.mlp_proj, Rows::New, and);
        plan.hook(Hook::ResidPost(l), x);
    }
    let x = plan.normed(x, &weights.ln_f, epsilon);
    plan.hook(Hook::FinalHidden, x);

    plan.predictions(config.vocab_size);
    let table = weights.lm_head.as_ref().map_or(words, |table| plan.words(table));
    plan.logits(x, &table, None, Rows::Predicted);
}
