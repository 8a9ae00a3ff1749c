//! What every stream of events must obey. Checked between lift and lower in tests, and in debug builds.

use std::collections::BTreeMap;

use super::event::Event;

/// Reads a stream of events and says where it breaks the grammar.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    opened: bool,
    over: bool,
    /// Blocks so far: their choice, and whether they are still open.
    blocks: BTreeMap<usize, (usize, bool)>,
    stopped: Vec<usize>,
}

impl Grammar {
    /// Takes the next event.
    ///
    /// # Errors
    /// What is wrong with it at this place.
    pub(super) fn check(&mut self, event: &Event<'_>) -> Result<(), &'static str> {
        if self.over {
            return Err("an event behind the end");
        }
        if !self.opened && !matches!(event, Event::Open(_) | Event::Fault(_) | Event::Unknown { .. }) {
            return Err("an event before the beginning");
        }
        match event {
            Event::Open(_) if self.opened => Err("a second beginning"),
            Event::Open(_) => {
                self.opened = true;
                Ok(())
            }
            Event::BlockOpen { block, choice, .. } => self.open(*block, *choice),
            Event::Delta { block, .. } => match self.blocks.get(block) {
                Some((_, true)) => Ok(()),
                Some((_, false)) => Err("a piece of a closed block"),
                None => Err("a piece of a block that was never opened"),
            },
            Event::BlockClose { block } => match self.blocks.get_mut(block) {
                Some((_, open @ true)) => {
                    *open = false;
                    Ok(())
                }
                _ => Err("the end of a block that is not open"),
            },
            Event::Stop { choice, .. } if self.stopped.contains(choice) => Err("a second stop of a choice"),
            Event::Stop { choice, .. } if self.blocks.values().any(|(of, open)| of == choice && *open) => Err("a stop with an open block"),
            Event::Stop { choice, .. } => {
                self.stopped.push(*choice);
                Ok(())
            }
            Event::Close if self.stopped.is_empty() => Err("an end without a stop"),
            Event::Close | Event::Fault(_) => {
                self.over = true;
                Ok(())
            }
            Event::Usage(_) | Event::Unknown { .. } => Ok(()),
        }
    }

    fn open(&mut self, block: usize, choice: usize) -> Result<(), &'static str> {
        if block != self.blocks.len() {
            return Err("a block out of turn");
        }
        if self.stopped.contains(&choice) {
            return Err("a block behind its choice's stop");
        }
        self.blocks.insert(block, (choice, true));
        Ok(())
    }

    /// Whether the stream has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }
}
