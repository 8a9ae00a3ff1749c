//! Which of OpenAI's encodings a model has, told by its name.

/// An encoding that is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Encoding {
    /// Of GPT-4 and GPT-3.5.
    Cl100k,
    /// Of all that came later.
    O200k,
}

/// What the names of OpenAI's models begin with.
const FAMILIES: &[&str] = &["gpt", "chatgpt", "o1", "o3", "o4", "ft:gpt", "text-embedding-"];

/// What the names of models with the older encoding begin with, and which of these are younger after all.
const OLDER: &[&str] = &["gpt-4", "gpt-3.5", "gpt-35", "text-embedding-"];
const YOUNGER: &[&str] = &["gpt-4o", "gpt-4.", "gpt-45"];

impl Encoding {
    /// The encoding of a model, where it is of OpenAI's families. A provider's prefix does not matter.
    pub(super) fn of(model: &str) -> Option<Self> {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let begins = |list: &[&str], name: &str| list.iter().any(|start| name.starts_with(start));
        let name = match name.find("gpt-") {
            Some(at) => &name[at..],
            None if begins(FAMILIES, &name) => &name,
            None => return None,
        };
        let older = begins(OLDER, name) && !begins(YOUNGER, name);
        Some(if older { Self::Cl100k } else { Self::O200k })
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding;

    #[test]
    fn a_model_is_told_by_its_name() {
        for (model, encoding) in [
            ("gpt-4", Some(Encoding::Cl100k)),
            ("gpt-4-turbo-2024-04-09", Some(Encoding::Cl100k)),
            ("GPT-3.5-turbo", Some(Encoding::Cl100k)),
            ("ft:gpt-3.5-turbo:acme::x", Some(Encoding::Cl100k)),
            ("text-embedding-3-small", Some(Encoding::Cl100k)),
            ("gpt-4o-mini", Some(Encoding::O200k)),
            ("gpt-4.1", Some(Encoding::O200k)),
            ("chatgpt-4o-latest", Some(Encoding::O200k)),
            ("openai/gpt-5", Some(Encoding::O200k)),
            ("openrouter/openai/o3-pro", Some(Encoding::O200k)),
            ("o4-mini", Some(Encoding::O200k)),
            ("gpt-oss-120b", Some(Encoding::O200k)),
            ("gpt-99", Some(Encoding::O200k)),
            ("claude-opus-4", None),
            ("gemini-2.5-pro", None),
            ("deepseek-chat", None),
            ("", None),
        ] {
            assert_eq!(Encoding::of(model), encoding, "{model}");
        }
    }
}
