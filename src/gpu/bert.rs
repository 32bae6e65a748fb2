//! BERT's forward pass (Devlin et al. 2018): post-norm blocks, both heads.

use super::builder::{And, Builder};
use super::kernels::linear::Rows;
use crate::checkpoint::{BertConfig, BertWeights};
use crate::trace::{Hook, Sight};

/// Writes the pass.
pub(super) fn forward(plan: &mut Builder, config: &BertConfig, weights: &BertWeights) {
    let (heads, epsilon) = (config.num_attention_heads, config.layer_norm_eps);
    let scale = ((config.hidden_size / heads) as f32).sqrt().recip();

    let words = plan.words(&weights.word);
    let sum = plan.embed(&words, (&weights.position, config.first_position), weights.token_type.as_ref());
    let mut x = plan.normed(sum, &weights.embed_norm, epsilon);
    for (l, layer) in weights.layers.iter().enumerate() {
        plan.hook(Hook::ResidPre(l), x);
        let qkv = plan.qkv(x, [&layer.query, &layer.key, &layer.value], l, heads);
        let z = plan.attend(qkv, l, heads, scale, Sight::Everywhere);
        let and = And { residual: Some(x), hook: Some(Hook::AttnOut(l)), ..And::default() };
        let sum = plan.linear(z, &layer.attn_output, Rows::New, and);
        let mid = plan.normed(sum, &layer.attn_norm, epsilon);
        plan.hook(Hook::ResidMid(l), mid);

        let called = format!("blocks.{l}.mlp.hook_post");
        let and = And { activation: Some(config.hidden_act), called, ..And::default() };
        let inner = plan.linear(mid, &layer.intermediate, Rows::New, and);
        let and = And { residual: Some(mid), hook: Some(Hook::MlpOut(l)), ..And::default() };
        let sum = plan.linear(inner, &layer.output, Rows::New, and);
        x = plan.normed(sum, &layer.output_norm, epsilon);
        plan.hook(Hook::ResidPost(l), x);
    }
    plan.hook(Hook::FinalHidden, x);

    if let Some(head) = &weights.mlm {
        plan.predictions(config.vocab_size);
        let called = "mlm_head.transform".to_owned();
        let and = And { activation: Some(config.head_act), called, ..And::default() };
        let transformed = plan.linear(x, &head.transform, Rows::Predicted, and);
        let transformed = plan.normed(transformed, &head.norm, epsilon);
        let decoder = head.decoder.as_ref().map_or(words, |table| plan.words(table));
        plan.logits(transformed, &decoder, Some(&head.decoder_bias), Rows::Gathered);
    }
    if let Some(pooler) = &weights.pooler {
        let tanh = Some(crate::checkpoint::Activation::Tanh);
        let and = And { activation: tanh, hook: Some(Hook::Pooled), ..And::default() };
        let pooled = plan.linear(x, pooler, Rows::First, and);
        if let Some(head) = &weights.nsp {
            let and = And { hook: Some(Hook::NspLogits), ..And::default() };
            let scores = plan.linear(pooled, head, Rows::First, and);
            plan.next_sentence(scores);
        }
    }
}
