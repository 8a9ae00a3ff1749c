//! The way to a value, as it is shown: `messages[4].content[0].text`.
//!
//! Names of members may be as private as values: those of a tool's arguments, of a schema. Only the dialects' own words are shown.

use std::fmt::Write as _;

use super::difference::Step;

/// What stands for a name that is none of the dialects' words.
const OTHER: &str = "*";

/// The words of the dialects that may stand on a way into a prompt.
const WORDS: &[&str] = &[
    "additionalProperties",
    "allOf",
    "annotations",
    "anyOf",
    "args",
    "arguments",
    "call_id",
    "citations",
    "config",
    "content",
    "contents",
    "custom",
    "data",
    "default",
    "defer_loading",
    "description",
    "detail",
    "enum",
    "fileData",
    "fileUri",
    "file_data",
    "file_id",
    "file_url",
    "filename",
    "format",
    "function",
    "functionCall",
    "functionCallingConfig",
    "functionDeclarations",
    "functionResponse",
    "function_declarations",
    "functions",
    "id",
    "image_url",
    "inlineData",
    "input",
    "input_audio",
    "input_schema",
    "instructions",
    "is_error",
    "items",
    "json_schema",
    "maxItems",
    "maximum",
    "media_type",
    "messages",
    "mimeType",
    "minItems",
    "minimum",
    "mode",
    "model",
    "name",
    "nullable",
    "oneOf",
    "output",
    "parameters",
    "parametersJsonSchema",
    "parts",
    "pattern",
    "phase",
    "prompt",
    "prompt_cache_key",
    "properties",
    "reasoning_content",
    "reasoning_details",
    "refusal",
    "required",
    "response",
    "response_format",
    "role",
    "schema",
    "signature",
    "source",
    "status",
    "strict",
    "summary",
    "system",
    "systemInstruction",
    "system_instruction",
    "text",
    "thinking",
    "thought",
    "thoughtSignature",
    "title",
    "toolConfig",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tool_use_id",
    "tools",
    "type",
    "url",
    "variables",
    "version",
];
/// Members whose members are named by whoever wrote the prompt, or the schema.
const FOREIGN: &[&str] = &["args", "arguments", "properties", "response", "variables"];

/// The way from a section on, as it is shown. Sections are the dialects' own words, joined by points where they lie deeper.
pub(super) fn shown(section: &str, way: &[Step<'_>]) -> String {
    let mut text = section.to_owned();
    let mut is_foreign = false;
    for (at, step) in way.iter().enumerate() {
        match step {
            Step::Element(number) => drop(write!(text, "[{number}]")),
            Step::Member(name) => {
                let is_word = !is_foreign && WORDS.contains(&&**name);
                text.push('.');
                text.push_str(if is_word { name } else { OTHER });
                // In Claude's dialect a call's arguments are its input.
                is_foreign |= FOREIGN.contains(&&**name) || (&**name == "input" && at > 0);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Step, WORDS, shown};

    #[test]
    fn only_the_dialects_own_words_are_shown() {
        let way = |steps: &[&'static str]| -> Vec<Step<'static>> {
            steps.iter().map(|step| step.parse().map_or_else(|_| Step::Member((*step).into()), Step::Element)).collect()
        };
        for (section, steps, told) in [
            ("system", &["0", "text"][..], "system[0].text"),
            ("tools", &["3", "input_schema", "properties", "salary", "type"], "tools[3].input_schema.properties.*.*"),
            ("tools", &["3", "function", "description"], "tools[3].function.description"),
            ("messages", &["4", "content", "0", "input", "name"], "messages[4].content[0].input.*"),
            ("contents", &["1", "parts", "0", "functionCall", "args", "text", "2"], "contents[1].parts[0].functionCall.args.*[2]"),
            ("messages", &["4", "my secret"], "messages[4].*"),
            ("text.format", &["schema"], "text.format.schema"),
            ("input", &["0", "arguments"], "input[0].arguments"),
        ] {
            assert_eq!(shown(section, &way(steps)), told);
        }
        assert!(WORDS.is_sorted(), "in order, so that none is there twice");
    }
}
