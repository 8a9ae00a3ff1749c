//! A stream and a whole answer are the same thing: events into an answer, an answer into events.

use std::borrow::Cow;

use super::{
    Dialect,
    canon::{Answer, Block, Call, Choice, Input, Logprob, Part, Reasoning, Rest, Stop, Tokens},
    event::{Delta, Event, Opening, StreamFault},
};

/// Gathers the events of a stream into the answer that they make.
#[derive(Debug)]
pub(in crate::transform) struct Fold {
    from: Dialect,
    opening: Opening<'static>,
    /// Blocks in the order of their opening, with their choice.
    blocks: Vec<(usize, Block<'static>)>,
    stops: Vec<(usize, Stop<'static>)>,
    logprobs: Vec<(usize, Logprob<'static>)>,
    usage: Option<Tokens>,
    ended: Option<Result<(), StreamFault<'static>>>,
}

impl Fold {
    /// Begins an answer of `from`.
    pub(in crate::transform) fn new(from: Dialect) -> Self {
        Self { from, opening: Opening::default(), blocks: Vec::new(), stops: Vec::new(), logprobs: Vec::new(), usage: None, ended: None }
    }

    /// Takes the next event.
    pub(in crate::transform) fn push(&mut self, event: Event<'_>) {
        match event {
            Event::Open(opening) => {
                self.usage = opening.usage;
                self.opening = opening.into_owned();
            }
            Event::BlockOpen { choice, head, .. } => self.blocks.push((choice, head.into_owned())),
            Event::Delta { block, delta } => self.add(block, delta),
            Event::BlockClose { .. } | Event::Unknown { .. } => {}
            Event::Stop { choice, stop } => self.stops.push((choice, stop.into_owned())),
            Event::Usage(tokens) => self.usage = Some(tokens),
            Event::Close => self.ended = Some(Ok(())),
            Event::Fault(fault) => self.ended = Some(Err(fault.into_owned())),
        }
    }

    /// The answer, or what broke it off; a stream without an end is a fault without words.
    pub(in crate::transform) fn finish(self) -> Result<Answer<'static>, StreamFault<'static>> {
        self.ended.unwrap_or_else(|| Err(StreamFault::default()))?;
        let mut choices: Vec<Choice<'static>> = Vec::new();
        let mut indexes: Vec<usize> =
            self.stops.iter().map(|(choice, _)| *choice).chain(self.blocks.iter().map(|(choice, _)| *choice)).collect();
        indexes.sort_unstable();
        indexes.dedup();
        for index in indexes {
            let stop = self.stops.iter().find(|(choice, _)| *choice == index).map_or(Stop::End, |(_, stop)| stop.clone());
            choices.push(Choice { index, blocks: Vec::new(), stop, logprobs: Vec::new(), rest: Rest::default() });
        }
        for (choice, block) in self.blocks {
            if let Some(choice) = choices.iter_mut().find(|known| known.index == choice) {
                choice.blocks.push(block);
            }
        }
        for (choice, logprob) in self.logprobs {
            if let Some(choice) = choices.iter_mut().find(|known| known.index == choice) {
                choice.logprobs.push(logprob);
            }
        }
        let Opening { id, model, created, service_tier, .. } = self.opening;
        Ok(Answer { from: self.from, id, model, created, choices, usage: self.usage, service_tier, rest: Rest::default() })
    }

    fn add(&mut self, block: usize, delta: Delta<'_>) {
        let Some((choice, block)) = self.blocks.get_mut(block) else { return };
        match (delta, &mut block.part) {
            (Delta::Text(more), Part::Text { text, .. } | Part::Refusal(text)) => text.to_mut().push_str(&more),
            (Delta::Reasoning(more), Part::Reasoning(reasoning)) => append(&mut reasoning.text, &more, false),
            (Delta::Summary(more, fresh), Part::Reasoning(reasoning)) => append(&mut reasoning.summary, &more, fresh),
            (Delta::Seal(seal), Part::Reasoning(reasoning)) => reasoning.seal = Some(seal.into_owned()),
            (Delta::Seal(seal), _) => block.seal = Some(seal.into_owned()),
            (Delta::Input(more), Part::Call(Call { input: Input::Json(input) | Input::Free(input), .. })) => input.to_mut().push_str(&more),
            (Delta::Cite(citation), Part::Text { citations, .. }) => citations.push(citation.into_owned()),
            (Delta::Logprobs(more), _) => {
                let choice = *choice;
                self.logprobs.extend(more.into_iter().map(|logprob| (choice, logprob.into_owned())));
            }
            // A piece that does not fit its block: the grammar of lifts forbids it.
            (Delta::Text(_) | Delta::Reasoning(_) | Delta::Summary(..) | Delta::Input(_) | Delta::Cite(_), _) => {}
        }
    }
}

fn append(pieces: &mut Vec<Cow<'static, str>>, more: &str, fresh: bool) {
    match pieces.last_mut() {
        Some(last) if !fresh => last.to_mut().push_str(more),
        _ => pieces.push(Cow::Owned(more.to_owned())),
    }
}

/// Gives an answer as the events of a stream: each block in one piece.
pub(in crate::transform) fn unfold(answer: &Answer<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    sink(Event::Open(Opening {
        id: Cow::Borrowed(&answer.id),
        model: Cow::Borrowed(&answer.model),
        created: answer.created,
        service_tier: answer.service_tier.as_deref().map(Cow::Borrowed),
        usage: answer.usage.map(|tokens| Tokens { output: 0, reasoning: 0, ..tokens }),
    }));
    let mut number = 0;
    for choice in &answer.choices {
        // Log probabilities belong to the choice's words: its last block of text.
        let spoken = choice.blocks.iter().rposition(|block| matches!(block.part, Part::Text { .. }));
        for (at, block) in choice.blocks.iter().enumerate() {
            let logprobs = if spoken == Some(at) { choice.logprobs.as_slice() } else { &[] };
            unfold_block((number, choice.index), block, logprobs, sink);
            number += 1;
        }
        sink(Event::Stop { choice: choice.index, stop: choice.stop.clone() });
    }
    if let Some(usage) = answer.usage {
        sink(Event::Usage(usage));
    }
    sink(Event::Close);
}

/// A block: its head without its words, then its words.
fn unfold_block((block, choice): (usize, usize), whole: &Block<'_>, logprobs: &[Logprob<'_>], sink: &mut dyn FnMut(Event<'_>)) {
    let mut head = whole.clone();
    let mut deltas: Vec<Delta<'_>> = Vec::new();
    match (&mut head.part, &whole.part) {
        (Part::Text { text, citations }, Part::Text { text: words, citations: all }) => {
            *text = Cow::Borrowed("");
            citations.clear();
            deltas.push(Delta::Text(Cow::Borrowed(words)));
            deltas.extend(all.iter().map(|citation| Delta::Cite(Box::new(citation.clone()))));
        }
        (Part::Refusal(text), Part::Refusal(words)) => {
            *text = Cow::Borrowed("");
            deltas.push(Delta::Text(Cow::Borrowed(words)));
        }
        (Part::Reasoning(head), Part::Reasoning(reasoning)) if !reasoning.redacted => {
            *head = Reasoning { id: head.id.clone(), ..Reasoning::default() };
            deltas.extend(reasoning.summary.iter().map(|piece| Delta::Summary(Cow::Borrowed(piece), true)));
            deltas.extend(reasoning.text.iter().map(|piece| Delta::Reasoning(Cow::Borrowed(piece))));
            deltas.extend(reasoning.seal.clone().map(Delta::Seal));
        }
        (Part::Call(head), Part::Call(call)) => {
            let (Input::Json(slot) | Input::Free(slot)) = &mut head.input;
            *slot = Cow::Borrowed("");
            let (Input::Json(input) | Input::Free(input)) = &call.input;
            deltas.push(Delta::Input(Cow::Borrowed(input)));
        }
        _ => {}
    }
    if !logprobs.is_empty() {
        deltas.push(Delta::Logprobs(logprobs.to_vec()));
    }
    sink(Event::BlockOpen { block, choice, head });
    for delta in deltas {
        sink(Event::Delta { block, delta });
    }
    sink(Event::BlockClose { block });
}
