//! Reading rules, with faults that say where and what instead.

use super::{
    CacheBreakpoint, HeaderMode, HeaderRule, Json, Locate, Phase, Rewrite, RewriteAction, Rule, RuleFilter, RuleKind, Side, SystemText,
    TextAction, Transform,
    words::{self, Words},
};
use crate::protocol::{
    Operation,
    cache_mark::{CachePick, CacheTarget, CacheTtl},
    json::{Fields, Node, Shape, WrongShape},
};

impl Side {
    pub(super) const WORDS: Words<Self> = &[("prepend", Self::Prepend), ("append", Self::Append)];
}

impl Phase {
    pub(super) const WORDS: Words<Self> = &[("request", Self::Request), ("response", Self::Response), ("both", Self::Both)];
}

impl HeaderMode {
    pub(super) const WORDS: Words<Self> = &[("override", Self::Override), ("merge", Self::Merge)];
}

type Reader = fn(Node<'_>) -> Result<RuleKind, WrongShape>;

const KINDS: Words<Reader> = &[
    ("system_text", system_text),
    ("cache_breakpoint", cache_breakpoint),
    ("rewrite", rewrite),
    ("transform", transform),
    // The first name of the fourth.
    ("sanitize", transform),
    ("header", header),
];

const KNOWN: &[&str] =
    &["kind", "config_json", "filter_model_pattern", "filter_operation_keys", "filter_header_pattern", "sort_order", "enabled"];

pub(super) fn rule(node: Node<'_>) -> Result<Rule, WrongShape> {
    let mut fields = node.members()?;
    let read = words::required(&mut fields, "kind", KINDS)?;
    let config = fields.some("config_json").ok_or_else(|| WrongShape::missing("config_json", "an object"))?;
    let kind = configured(config, read).map_err(|fault| fault.under("config_json"))?;
    let filter = RuleFilter {
        model_pattern: owned(&mut fields, "filter_model_pattern")?,
        operation_keys: operations(&mut fields)?,
        header_pattern: owned(&mut fields, "filter_header_pattern")?,
    };
    let sort_order = fields.signed("sort_order")?.unwrap_or(0);
    let enabled = fields.bool("enabled")?.unwrap_or(true);
    words::nothing_left(fields, KNOWN)?;
    Ok(Rule { kind, filter, sort_order, enabled })
}

/// The configuration is an object, or a text that holds one, as a database column does.
fn configured(config: Node<'_>, read: Reader) -> Result<RuleKind, WrongShape> {
    match config.text() {
        Some(text) => read(Node::parse(text.as_bytes())?),
        None => read(config),
    }
}

fn operations(fields: &mut Fields<'_>) -> Result<Option<Vec<Operation>>, WrongShape> {
    const NAME: &str = "filter_operation_keys";
    let Some(list) = fields.some(NAME) else { return Ok(None) };
    let text = list.text();
    let list = match &text {
        Some(text) => Node::parse(text.as_bytes()).map_err(|fault| fault.under(NAME))?,
        None => list,
    };
    let elements = list.array().ok_or_else(|| list.wrong(NAME, "an array of operations"))?;
    let read = |(at, element): (usize, Node<'_>)| operation(element).map_err(|fault| fault.at(at).under(NAME));
    elements.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
}

fn operation(element: Node<'_>) -> Result<Operation, WrongShape> {
    let word = element.text().ok_or_else(|| element.wrong("", "the name of an operation"))?;
    Operation::parse(&word).ok_or_else(|| words::unknown("", &word, Operation::ALL.iter().map(|operation| operation.id())))
}

fn owned(fields: &mut Fields<'_>, name: &str) -> Result<Option<String>, WrongShape> {
    Ok(fields.text(name)?.filter(|text| !text.is_empty()).map(Into::into))
}

fn filled(fields: &mut Fields<'_>, name: &str) -> Result<String, WrongShape> {
    let text = fields.required_text(name)?;
    if text.is_empty() { Err(WrongShape::new(name, "empty", "a text")) } else { Ok(text.into()) }
}

fn system_text(node: Node<'_>) -> Result<RuleKind, WrongShape> {
    let mut fields = node.members()?;
    let text = filled(&mut fields, "text")?;
    let position = words::optional(&mut fields, "position", Side::WORDS)?.unwrap_or_default();
    words::nothing_left(fields, &["text", "position"])?;
    Ok(RuleKind::SystemText(SystemText { text, position }))
}

fn cache_breakpoint(node: Node<'_>) -> Result<RuleKind, WrongShape> {
    let mut fields = node.members()?;
    let target = words::required(&mut fields, "target", CacheTarget::WORDS)?;
    let pick = match fields.signed("index")? {
        None => CachePick::LAST,
        Some(index) => CachePick::signed(index)
            .ok_or_else(|| WrongShape::new("index", "0", "a number from 1, or a negative one that counts from the end"))?,
    };
    let ttl = words::optional(&mut fields, "ttl", CacheTtl::WORDS)?.unwrap_or_default();
    // Older rules have one; the sign of the index says it now.
    fields.take("position");
    words::nothing_left(fields, &["target", "index", "ttl", "position"])?;
    Ok(RuleKind::CacheBreakpoint(CacheBreakpoint { target, pick, ttl }))
}

fn rewrite(node: Node<'_>) -> Result<RuleKind, WrongShape> {
    const ACTIONS: Words<&str> = &[("set", "set"), ("delete", "delete"), ("merge", "merge")];
    let mut fields = node.members()?;
    let path = filled(&mut fields, "path")?;
    let action = words::required(&mut fields, "action", ACTIONS)?;
    let value = fields.take("value_json");
    words::nothing_left(fields, &["path", "action", "value_json"])?;
    let action = match (action, value) {
        ("delete", None) => RewriteAction::Delete,
        ("delete", Some(value)) if value.is_null() => RewriteAction::Delete,
        ("delete", Some(value)) => return Err(value.wrong("value_json", "nothing, since the action is delete")),
        (_, None) => return Err(WrongShape::missing("value_json", "a value")),
        ("merge", Some(value)) if value.shape() != Shape::Object => return Err(value.wrong("value_json", "an object to merge")),
        ("merge", Some(value)) => RewriteAction::Merge(Json::of(value)),
        (_, Some(value)) => RewriteAction::Set(Json::of(value)),
    };
    Ok(RuleKind::Rewrite(Rewrite { path, action }))
}

fn transform(node: Node<'_>) -> Result<RuleKind, WrongShape> {
    let mut fields = node.members()?;
    let phase = words::optional(&mut fields, "phase", Phase::WORDS)?.unwrap_or_default();
    let place = fields.some("locate").ok_or_else(|| WrongShape::missing("locate", "an object with path, paths or match"))?;
    let locate = locate(place).map_err(|fault| fault.under("locate"))?;
    let list = fields.array("actions")?.filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| WrongShape::missing("actions", "an array of at least one action"))?;
    let read = |(at, node): (usize, Node<'_>)| text_action(node).map_err(|fault| fault.at(at).under("actions"));
    let actions = list.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    let limit = fields.unsigned("limit")?;
    words::nothing_left(fields, &["phase", "locate", "actions", "limit"])?;
    let by_regex = actions.iter().position(|action| matches!(action, TextAction::ReplaceRegex { .. }));
    if let (Locate::Match(_), Some(at)) = (&locate, by_regex) {
        let fault = WrongShape::new("op", "\"replace_regex\"", "replace_text, since locate has a match");
        return Err(fault.at(at).under("actions"));
    }
    Ok(RuleKind::Transform(Transform { phase, locate, actions, limit }))
}

fn locate(node: Node<'_>) -> Result<Locate, WrongShape> {
    let mut fields = node.members()?;
    let path = owned(&mut fields, "path")?;
    let paths = fields.array("paths")?;
    let pattern = owned(&mut fields, "match")?;
    words::nothing_left(fields, &["path", "paths", "match"])?;
    match (path, paths, pattern) {
        (Some(path), None, None) => Ok(Locate::Paths(vec![path])),
        (None, Some(paths), None) if !paths.is_empty() => {
            let text = |(at, node): (usize, Node<'_>)| {
                node.text().map(Into::into).ok_or_else(|| node.wrong("", "a dotted path").at(at).under("paths"))
            };
            paths.into_iter().enumerate().map(text).collect::<Result<_, _>>().map(Locate::Paths)
        }
        (None, None, Some(pattern)) => Ok(Locate::Match(pattern)),
        _ => Err(node.wrong("", "exactly one of path, paths, match")),
    }
}

fn text_action(node: Node<'_>) -> Result<TextAction, WrongShape> {
    const OPS: Words<bool> = &[("replace_text", true), ("replace_regex", false)];
    let mut fields = node.members()?;
    let plain = words::required(&mut fields, "op", OPS)?;
    let with = match fields.text("with")? {
        Some(with) => with.into(),
        None => fields.text("to")?.ok_or_else(|| WrongShape::missing("with", "a text"))?.into(),
    };
    if plain {
        let from = fields.text("from")?.map(Into::into);
        words::nothing_left(fields, &["op", "from", "with", "to"])?;
        return Ok(TextAction::ReplaceText { from, with });
    }
    let pattern = filled(&mut fields, "pattern")?;
    words::nothing_left(fields, &["op", "pattern", "with", "to"])?;
    Ok(TextAction::ReplaceRegex { pattern, with })
}

fn header(node: Node<'_>) -> Result<RuleKind, WrongShape> {
    let mut fields = node.members()?;
    let name = filled(&mut fields, "name")?;
    let value = fields.required_text("value")?.into();
    let mode = words::optional(&mut fields, "mode", HeaderMode::WORDS)?.unwrap_or_default();
    words::nothing_left(fields, &["name", "value", "mode"])?;
    Ok(RuleKind::Header(HeaderRule { name, value, mode }))
}
