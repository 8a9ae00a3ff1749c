//! How much to think: budgets, efforts, and what the model takes of them.
//!
//! Only Claude's own clients tell effort and thinking apart; from all others an effort is a wish to think.

use super::{
    OWN,
    models::{Model, Thinks},
};
use crate::transform::{
    Loss,
    generate::{
        canon::{Effort, Request, ToolChoice},
        names::{Field, path},
        spoke::Target,
    },
};

/// The least budget that Anthropic takes.
const LEAST: u64 = 1024;
/// The budget where somebody wants thinking and says no more.
const USUAL: u64 = 8192;

/// What is written as `thinking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Unsaid,
    Off,
    Budget(u64),
    Adaptive,
}

/// Thinking and room for it, decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) mode: Mode,
    pub(super) effort: Option<Effort>,
    pub(super) max_tokens: u64,
}

impl Plan {
    /// Whether the model will think.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.mode, Mode::Budget(_) | Mode::Adaptive)
    }

    /// Decides for a request.
    pub(super) fn of(request: &Request<'_>, model: &Model, target: Target, losses: &mut Vec<Loss>) -> Self {
        let limit = target.max_output_tokens.unwrap_or(model.limit);
        let (mode, effort) = wish(request, model, losses);
        let mut plan = Self { mode, effort, max_tokens: request.max_tokens.unwrap_or(limit) };
        if request.from != OWN {
            let known = target.max_output_tokens.is_some() || model.known;
            plan.fit(request, if known { limit } else { u64::MAX }, losses);
        }
        plan
    }

    /// Fits the tokens of the answer to the model, and the budget to them.
    fn fit(&mut self, request: &Request<'_>, limit: u64, losses: &mut Vec<Loss>) {
        let at = path(request.from, Field::MaxTokens);
        if self.max_tokens > limit {
            self.max_tokens = limit;
            losses.push(Loss::changed(at, "the target answers with fewer tokens at most"));
        }
        let Mode::Budget(budget) = self.mode else { return };
        if budget < LEAST {
            losses.push(Loss::changed(path(request.from, Field::Thinking), "the target thinks with 1024 tokens at least"));
        }
        let mut budget = budget.max(LEAST);
        if budget >= self.max_tokens {
            // A small limit on the answer would leave no room to think.
            self.max_tokens = self.max_tokens.saturating_add(budget).min(limit);
            losses.push(Loss::changed(at, "raised by the tokens that the target thinks with"));
            budget = budget.min(self.max_tokens.saturating_sub(LEAST)).max(LEAST);
        }
        self.mode = if budget < self.max_tokens { Mode::Budget(budget) } else { Mode::Unsaid };
    }
}

fn wish(request: &Request<'_>, model: &Model, losses: &mut Vec<Loss>) -> (Mode, Option<Effort>) {
    let thinking = &request.thinking;
    let effort = thinking.effort.filter(|effort| *effort != Effort::None);
    let declined = thinking.on == Some(false) || (thinking.effort == Some(Effort::None) && thinking.on.is_none());
    if declined {
        return (off(request, model, losses), told(request, model, effort.filter(|_| request.from == OWN), losses));
    }
    let implied = request.from != OWN && effort.is_some();
    if thinking.on != Some(true) && !thinking.adaptive && thinking.budget.is_none() && !implied {
        return (Mode::Unsaid, told(request, model, effort, losses));
    }
    if request.from != OWN && forces(request) {
        losses.push(Loss::changed(path(request.from, Field::Thinking), "the target does not think where a tool is forced"));
        return (Mode::Unsaid, None);
    }
    match model.thinks {
        Thinks::Never => {
            losses.push(Loss::dropped_because(path(request.from, Field::Thinking), "the model does not think"));
            (Mode::Unsaid, None)
        }
        Thinks::Budget => budgeted(request, model, effort, losses),
        Thinks::Both if thinking.budget.is_some() && !thinking.adaptive => budgeted(request, model, effort, losses),
        Thinks::Both | Thinks::Adaptive | Thinks::Always => {
            let measured = effort.or_else(|| {
                let budget = thinking.budget?;
                losses.push(Loss::changed(path(request.from, Field::Thinking), "a budget of tokens became an effort"));
                Some(Effort::of_budget(budget).max(Effort::Minimal))
            });
            (Mode::Adaptive, told(request, model, measured, losses))
        }
    }
}

fn budgeted(request: &Request<'_>, model: &Model, effort: Option<Effort>, losses: &mut Vec<Loss>) -> (Mode, Option<Effort>) {
    let thinking = &request.thinking;
    if thinking.adaptive && thinking.budget.is_none() {
        losses.push(Loss::changed(path(request.from, Field::Thinking), "the model does not choose how much to think; it has a budget"));
    }
    let budget = thinking.budget.or_else(|| effort.map(|effort| effort.budget().max(LEAST))).unwrap_or(USUAL);
    // A client of Claude's own means its effort beside the budget, not by it.
    let effort = if request.from == OWN { told(request, model, effort, losses) } else { None };
    (Mode::Budget(budget), effort)
}

fn off(request: &Request<'_>, model: &Model, losses: &mut Vec<Loss>) -> Mode {
    match model.thinks {
        Thinks::Never => Mode::Unsaid,
        Thinks::Always => {
            losses.push(Loss::changed(path(request.from, Field::Thinking), "the model always thinks"));
            Mode::Unsaid
        }
        // Some of these refuse to be told not to think, and do not think unless they are told to.
        Thinks::Adaptive if request.from != OWN => {
            losses.push(Loss::changed(path(request.from, Field::Thinking), "nothing is said of thinking: the model need not take more"));
            Mode::Unsaid
        }
        Thinks::Budget | Thinks::Both | Thinks::Adaptive => Mode::Off,
    }
}

/// The effort as the model knows it.
fn told(request: &Request<'_>, model: &Model, wish: Option<Effort>, losses: &mut Vec<Loss>) -> Option<Effort> {
    let wish = wish?;
    let known = model.effort(wish);
    let at = path(request.from, Field::Effort);
    match known {
        None => losses.push(Loss::dropped_because(at, "the model knows no effort")),
        Some(near) if near != wish => losses.push(Loss::changed(at, "the model does not know this effort; it is the nearest")),
        Some(_) => {}
    }
    known
}

fn forces(request: &Request<'_>) -> bool {
    match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Among { required: true, .. }) => !request.tools.is_empty(),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Among { .. } | ToolChoice::Opaque { .. }) | None => false,
    }
}

/// Anthropic's word for an effort that a model knows.
pub(super) const fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh => "xhigh",
        Effort::Max => "max",
    }
}
