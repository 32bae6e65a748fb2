//! A checkpoint on its way to an engine: its weights go there as they arrive, and the file is never here as a whole.

use futures_util::future::join;

use super::network::Network;
use super::protocol::{EngineKind, Problem};
use super::session::{Session, card, tokenizer};
use crate::checkpoint::{Arrived, Checkpoint, CheckpointError, Config, Header, TensorStream};
use crate::hub::Vocabulary;
use crate::tokenization::Tokenizer;
use crate::trace::{ModelCard, WeightType};

/// What computes a network.
#[allow(async_fn_in_trait, reason = "a worker has one thread")]
pub trait Engine {
    /// A network whose weights are arriving.
    type Loading;

    /// Which engine it is.
    const KIND: EngineKind;

    /// How weights are kept, where this is asked for.
    fn weights(&self, asked: Option<WeightType>, checkpoint: &Checkpoint, header: &Header) -> WeightType;

    /// Makes room for a checkpoint whose weights are then kept as `weights` says.
    fn make_room(&self, checkpoint: &Checkpoint, weights: WeightType) -> Result<Self::Loading, Problem>;

    /// How many positions there is room for.
    fn positions(loading: &Self::Loading) -> usize;

    /// Takes the bytes of the tensor `key`; one that the network does not need is passed over.
    fn take(loading: &mut Self::Loading, key: &str, bytes: &[u8]) -> Result<(), Problem>;

    /// The network, when all tensors were taken.
    async fn finish(loading: Self::Loading) -> Result<Box<dyn Network>, Problem>;
}

/// A checkpoint on its way.
pub struct Loader<E: Engine> {
    source: String,
    config: Vec<u8>,
    vocabulary: Vocabulary,
    engine: E,
    weights: Option<WeightType>,
    stream: TensorStream,
    model: Option<Arriving<E::Loading>>,
}

/// What is known once the weights' header has arrived.
struct Arriving<L> {
    card: ModelCard,
    tokenizer: Tokenizer,
    weights: WeightType,
    stored: WeightType,
    header: Header,
    loading: L,
}

impl<E: Engine> Loader<E> {
    /// Begins with a checkpoint's settings and vocabulary, and the announced length of its weights. These are kept as
    /// `weights` says; if it says nothing, as suits the engine.
    ///
    /// # Errors
    /// Whatever is wrong with one of the files; it is named.
    pub fn new(
        source: &str,
        config: Vec<u8>,
        vocabulary: Vocabulary,
        announced: Option<u64>,
        engine: E,
        weights: Option<WeightType>,
    ) -> Result<Loader<E>, Problem> {
        Config::parse(&config)?;
        let source = source.to_owned();
        let stream = TensorStream::new(announced);
        Ok(Loader { source, config, vocabulary, engine, weights, stream, model: None })
    }

    /// Takes a piece of the weights' file. What does not fit is known when the header was taken.
    ///
    /// # Errors
    /// Whatever is wrong with the file; `gpu-limits`, `gpu-memory` or `no-memory` if the model does not fit; `gpu-failed`.
    // A browser optimises what has become hot as a whole. What has loops is a function of its own, here and below, so that this is
    // not the future of all of loading, which took 80 ms to optimise, just when the first run needs the processor.
    #[inline(never)]
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), Problem> {
        while let Some(arrived) = self.stream.push(&mut piece)? {
            match (arrived, &mut self.model) {
                (Arrived::Header(header), _) => {
                    let checkpoint = Checkpoint::read(&self.config, &header)?;
                    let mut card = card(&self.source, &checkpoint);
                    let weights = self.engine.weights(self.weights, &checkpoint, &header);
                    let loading = self.engine.make_room(&checkpoint, weights)?;
                    card.positions = card.positions.min(E::positions(&loading));
                    // After that, since a GPU compiles its kernels meanwhile.
                    let tokenizer = tokenizer(&self.vocabulary)?;
                    tokenizer.check_vocabulary(card.family, card.vocabulary)?;
                    let stored = checkpoint.stored;
                    self.model = Some(Arriving { card, tokenizer, weights, stored, header, loading });
                }
                (Arrived::Tensor(name, bytes), Some(model)) => E::take(&mut model.loading, name, bytes)?,
                (Arrived::Tensor(..), None) => {}
            }
        }
        Ok(())
    }

    /// The session, when the whole file was taken.
    ///
    /// # Errors
    /// As [`Loader::push`]; `truncated`.
    pub async fn finish(self) -> Result<Session, Problem> {
        let Loader { stream, model, .. } = self;
        let found = stream.taken();
        // It holds memory for the largest tensor.
        drop(stream);
        let Some(Arriving { card, tokenizer, weights, stored, header, loading }) = model else {
            return Err(CheckpointError::Truncated { expected: found + 1, found }.into());
        };
        header.check_length(found)?;
        // The GPU is still busy when the last tensor has arrived.
        let (network, ()) = join(E::finish(loading), async { tokenizer.prepare() }).await;
        let network = network?;
        Ok(Session::new(card, tokenizer, E::KIND, [weights, stored], network))
    }
}
