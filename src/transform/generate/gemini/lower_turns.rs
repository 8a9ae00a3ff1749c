//! `contents`, written: turns of one speaker become one content, so that a step's calls and their results stand together.

use std::collections::BTreeMap;

use super::{
    super::canon::{Block, Part, Request, Role, Turn},
    lower_request::Scene,
    nested,
};
use crate::{
    protocol::json::{ArrayWriter, array},
    transform::Loss,
};

/// The conversation as far as it was written.
pub(super) struct Speech<'r, 'l> {
    pub(super) scene: Scene<'r>,
    pub(super) losses: &'l mut Vec<Loss>,
    /// Names of the tools called, by the id of the call.
    pub(super) called: BTreeMap<&'r str, &'r str>,
    /// A signature of Google's that came with thinking and belongs to the part behind it.
    pub(super) carried: Option<&'r str>,
    /// Whether the step has had its first call.
    pub(super) stepped: bool,
}

impl<'r, 'l> Speech<'r, 'l> {
    pub(super) fn new(scene: Scene<'r>, losses: &'l mut Vec<Loss>) -> Self {
        Self { scene, losses, called: BTreeMap::new(), carried: None, stepped: false }
    }

    /// Writes the turns.
    pub(super) fn write(mut self, turns: &'r [Turn<'r>], out: &mut ArrayWriter<'_>) {
        let own = self.scene.own;
        // Google's own client has put its contents as it likes them.
        for group in turns.chunk_by(|one, other| !own && speaks(one) == speaks(other)) {
            let mut parts = Vec::new();
            array(&mut parts, |a| self.parts(group, a));
            if parts == b"[]" && !own {
                self.orphans(group);
                continue;
            }
            #[expect(clippy::expect_used, reason = "the writer writes UTF-8")]
            let parts = std::str::from_utf8(&parts).expect("JSON is UTF-8");
            out.object(|o| {
                o.text("role", if speaks(&group[0]) { "model" } else { "user" }).json("parts", parts);
                for turn in group {
                    nested::outer(&turn.rest, o, || path(self.scene.request, turn.at), self.losses);
                }
            });
        }
    }

    fn orphans(&mut self, group: &[Turn<'_>]) {
        for turn in group {
            turn.rest.lose(|| path(self.scene.request, turn.at), self.losses);
        }
    }

    fn parts(&mut self, group: &'r [Turn<'r>], out: &mut ArrayWriter<'_>) {
        self.stepped = false;
        for turn in group {
            if matches!(turn.role, Role::System | Role::Developer) {
                let path = path(self.scene.request, turn.at);
                self.losses.push(Loss::changed(path, "an instruction amid the conversation is told as the user's words"));
            }
            if turn.name.is_some() {
                self.losses.push(Loss::dropped(format!("{}.name", path(self.scene.request, turn.at))));
            }
            for block in &turn.blocks {
                self.block(turn.at, block, out);
            }
        }
        if let Some(seal) = self.carried.take() {
            out.object(|o| {
                o.text("text", "").text("thoughtSignature", seal);
            });
        }
    }

    fn block(&mut self, turn: usize, block: &'r Block<'r>, out: &mut ArrayWriter<'_>) {
        let path = block_path(self.scene.request, turn, block.at);
        if block.cache.is_some() {
            self.losses.push(Loss::dropped(format!("{path}.cache_control")));
        }
        self.part(block, &path, out);
        if let Part::Call(call) = &block.part {
            self.called.insert(&call.id, &call.name);
        }
    }
}

/// Whether it is the model that speaks.
fn speaks(turn: &Turn<'_>) -> bool {
    match turn.role {
        Role::Assistant => true,
        Role::System | Role::Developer | Role::User => false,
    }
}

fn path(request: &Request<'_>, turn: usize) -> String {
    format!("{}[{turn}]", request.from.lists().0)
}

fn block_path(request: &Request<'_>, turn: usize, block: usize) -> String {
    let (turns, blocks) = request.from.lists();
    format!("{turns}[{turn}].{blocks}[{block}]")
}
