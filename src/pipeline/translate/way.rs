//! The ways from one call to another: by operation and shape, and the request's body on each.

use super::unsupported;
use crate::{
    pipeline::error::GatewayError,
    protocol::{
        Family, Operation, OperationKey,
        json::{Node, WrongShape},
    },
    transform::{
        Loss, Refused,
        compact::{Compacting, Kept},
        completion::{self, Prompted},
        count::Counting,
        embeddings::{self, Encoding, Shape},
        generate::{self, Asked, Dialect, Target, Telling},
        images::{self, Maker},
        models,
    },
};

/// One way, with what its answer needs to find back.
#[derive(Debug)]
pub(super) enum Way {
    /// Content in another dialect.
    Generate { client: Dialect, provider: Dialect },
    /// A legacy completion as content.
    Completion { provider: Dialect, told: completion::Told },
    /// A compaction as content.
    Compact { provider: Dialect, kept: Kept },
    /// A count of tokens in another family's shape.
    Count { client: Family, provider: Family },
    /// A list of models, or one, in another family's shape.
    Models { client: Family, provider: Family, one: bool },
    /// Vectors in another shape.
    Embed { client: Shape, provider: Shape, encoding: Encoding },
    /// Pictures by a model that paints among other things.
    Images(images::Told),
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) way: Way,
    /// What the provider is asked; for several vectors it is another call of its own.
    pub(super) target: OperationKey,
    /// Empty for calls without one.
    pub(super) body: Vec<u8>,
    pub(super) query: Option<String>,
    pub(super) telling: Telling,
    pub(super) losses: Vec<Loss>,
}

/// Finds the way from what the client asked to what the provider is asked, and takes the request along.
pub(super) fn make(
    (client, provider): (OperationKey, OperationKey),
    (body, goes_on_from): (&[u8], Option<&str>),
    telling: Telling,
    query: Option<&str>,
) -> Result<Made, GatewayError> {
    let mut journey = Journey { client, provider, body, goes_on_from, telling, losses: Vec::new() };
    let families = (client.kind().family(), provider.kind().family());
    let (way, body) = match (client.operation(), Dialect::of(client.kind()), Dialect::of(provider.kind())) {
        (_, Some(from), Some(to)) => journey.generate(from, to)?,
        (Operation::CreateCompletion, None, Some(to)) => journey.completion(to)?,
        (Operation::CompactContent, None, Some(to)) => journey.compact(to)?,
        (Operation::CreateImage, None, Some(Dialect::Gemini)) => journey.image()?,
        (Operation::CountTokens, None, None) => journey.count(families)?,
        (operation @ (Operation::ListModels | Operation::GetModel), None, None) => {
            let query = query.and_then(|query| models::query(query, families.0, families.1, &mut journey.losses));
            let way = Way::Models { client: families.0, provider: families.1, one: operation == Operation::GetModel };
            return Ok(Made { way, target: provider, body: Vec::new(), query, telling: journey.telling, losses: journey.losses });
        }
        (Operation::CreateEmbedding | Operation::BatchCreateEmbedding, None, None) => journey.embed()?,
        _ => return Err(unsupported(client, provider)),
    };
    Ok(Made { way, target: journey.provider, body, query: None, telling: journey.telling, losses: journey.losses })
}

/// A request under way.
struct Journey<'a> {
    client: OperationKey,
    provider: OperationKey,
    body: &'a [u8],
    /// The beginning of the answer, where it is to be gone on with.
    goes_on_from: Option<&'a str>,
    telling: Telling,
    losses: Vec<Loss>,
}

impl Journey<'_> {
    fn node(&self) -> Result<Node<'_>, WrongShape> {
        Node::parse(self.body)
    }

    fn streams(&self) -> bool {
        self.provider.operation() == Operation::StreamGenerateContent
    }

    fn generate(&mut self, client: Dialect, provider: Dialect) -> Result<(Way, Vec<u8>), Refused> {
        let asked = Asked { model: &self.telling.model, streams: self.streams(), goes_on_from: self.goes_on_from };
        let converted = generate::request(client, provider, self.body, asked, Target::default())?;
        self.losses = converted.losses;
        self.telling = converted.memory.telling(std::mem::take(&mut self.telling));
        Ok((Way::Generate { client, provider }, converted.body))
    }

    fn completion(&mut self, provider: Dialect) -> Result<(Way, Vec<u8>), Refused> {
        let mut losses = Vec::new();
        let prompted = Prompted::read(self.node()?, Asked { model: &self.telling.model, streams: self.streams(), goes_on_from: None })?;
        let body = prompted.written(provider, Target::default(), &mut losses)?;
        let (echo, include_usage) = (prompted.echo().map(str::to_owned), prompted.include_usage());
        self.losses = losses;
        self.telling.include_usage = include_usage;
        let told = completion::Told { telling: self.telling.clone(), echo };
        Ok((Way::Completion { provider, told }, body))
    }

    fn compact(&mut self, provider: Dialect) -> Result<(Way, Vec<u8>), Refused> {
        let mut losses = Vec::new();
        let compacting = Compacting::read(self.node()?, Asked { model: &self.telling.model, streams: false, goes_on_from: None })?;
        let body = compacting.written(provider, Target::default(), &mut losses)?;
        let kept = compacting.kept();
        self.losses = losses;
        Ok((Way::Compact { provider, kept }, body))
    }

    fn count(&mut self, (client, provider): (Family, Family)) -> Result<(Way, Vec<u8>), Refused> {
        let mut losses = Vec::new();
        let body = Counting::read(client, self.node()?, &self.telling.model)?.written(provider, &mut losses)?;
        self.losses = losses;
        Ok((Way::Count { client, provider }, body))
    }

    fn embed(&mut self) -> Result<(Way, Vec<u8>), Refused> {
        let mut losses = Vec::new();
        let client = shape(self.client);
        let request = embeddings::Request::read(client, self.node()?)?;
        let provider = if self.provider.kind().family() == Family::Gemini { request.gemini_shape() } else { Shape::OpenAi };
        let body = request.written(provider, &self.telling.model, &mut losses)?;
        let encoding = request.encoding();
        self.provider = OperationKey::new(embedding(provider), self.provider.kind()).unwrap_or(self.provider);
        self.losses = losses;
        Ok((Way::Embed { client, provider, encoding }, body))
    }

    fn image(&mut self) -> Result<(Way, Vec<u8>), Refused> {
        let mut losses = Vec::new();
        let request = images::Request::create(self.node()?)?;
        let body = request.written(Maker::Gemini { model: &self.telling.model }, &mut losses)?;
        let told = request.told(self.telling.now);
        self.losses = losses;
        Ok((Way::Images(told), body))
    }
}

/// The operation that a shape of calls for vectors belongs to.
const fn embedding(shape: Shape) -> Operation {
    match shape {
        Shape::GeminiBatch => Operation::BatchCreateEmbedding,
        Shape::OpenAi | Shape::Gemini | Shape::Vertex => Operation::CreateEmbedding,
    }
}

/// The shape of a call for vectors.
fn shape(key: OperationKey) -> Shape {
    match (key.kind().family(), key.operation()) {
        (Family::Gemini, Operation::BatchCreateEmbedding) => Shape::GeminiBatch,
        (Family::Gemini, _) => Shape::Gemini,
        (Family::OpenAi | Family::Claude, _) => Shape::OpenAi,
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, OperationKey, Telling, make};
    use crate::protocol::OperationKind;

    #[test]
    fn several_vectors_are_asked_of_google_by_the_batch() {
        let key = |kind| OperationKey::new(Operation::CreateEmbedding, kind).unwrap();
        let keys = (key(OperationKind::OpenAi), key(OperationKind::Gemini));
        for (input, operation) in [(r#""sea""#, Operation::CreateEmbedding), (r#"["sea","sky"]"#, Operation::BatchCreateEmbedding)] {
            let body = format!(r#"{{"model":"m","input":{input}}}"#);
            let made = make(keys, (body.as_bytes(), None), Telling::default(), None).unwrap();
            assert_eq!((made.target.operation(), made.target.kind()), (operation, OperationKind::Gemini));
        }
    }
}
