//! Holds the documentation to the code: the endpoint page is the catalogue, and every link leads somewhere.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` writes the generated page anew.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use gproxy::{
    admin::role::{Access, Area, Reach, reach},
    app::config::knob::KNOBS,
    channel::CHANNELS,
    http::api::{self, Asks},
    protocol::{
        Operation, OperationGroup,
        catalog::{CATALOG, CatalogRow, ModelPosition, StreamSwitch},
    },
    store::record::Role,
};

const ENDPOINTS: &str = "docs/endpoints.md";
const INTRO: &str = "\
# Endpoints

<!-- Generated from the catalogue in src/protocol/catalog.rs. Do not edit: run `make docs`. -->

Each path also works with a provider before it: `/openai/v1/chat/completions` asks the provider `openai`. Without one,
the model names its provider: `openai/gpt-5`. For calls without a model (files, batches, stored answers) put the provider
into the path.

Gemini paths work under `/v1`, `/v1alpha` and `/v1beta`. Where families share a path, `anthropic-version` in the headers
makes it Claude's, `x-goog-api-key` or `?key=` makes it Gemini's, and nothing makes it OpenAI's.

The key may come as `Authorization: Bearer`, `x-api-key`, `x-goog-api-key`, `api-key` or `?key=`.

A path that a provider does not serve is refused with a clear error. Which dialects a provider serves is in
[configuration.md](configuration.md#channels).
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The endpoint page as the catalogue wants it.
fn endpoints(catalog: &[CatalogRow]) -> String {
    let mut page = INTRO.to_owned();
    for group in OperationGroup::ALL {
        let rows: Vec<&CatalogRow> = catalog.iter().filter(|row| row.key(false).operation().group() == *group).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = write!(page, "\n## `{group}`\n\n| Path | Operation | Dialect | Model | Stream | Usage row |\n|---|---|---|---|---|---|\n");
        for row in rows {
            let _ = writeln!(page, "{}", line(row));
        }
    }
    page
}

fn line(row: &CatalogRow) -> String {
    let (whole, streamed) = (row.key(false), row.key(true));
    let model = match row.model {
        ModelPosition::Body => "in the body",
        ModelPosition::Path => "in the path",
        ModelPosition::Form => "in the form",
        ModelPosition::Query => "in the query",
        ModelPosition::Absent => "none",
    };
    let stream = match row.stream {
        StreamSwitch::Never => "no",
        StreamSwitch::Always => "always",
        StreamSwitch::Flag => "`stream`",
        StreamSwitch::SseFormat => "`stream_format: sse`",
    };
    let operation = match row.stream {
        StreamSwitch::Always => streamed.operation(),
        StreamSwitch::Never | StreamSwitch::Flag | StreamSwitch::SseFormat => whole.operation(),
    };
    let usage = if row.metered() { "yes" } else { "no" };
    format!("| `{} {}` | `{operation}` | `{}` | {model} | {stream} | {usage} |", row.method, row.path, whole.kind())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it may write")]
fn the_endpoint_page_is_the_catalogue() {
    let (path, wanted) = (root().join(ENDPOINTS), endpoints(CATALOG));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).expect("the page can be written");
    }
    let standing = fs::read_to_string(&path).unwrap_or_default();
    assert!(standing == wanted, "{ENDPOINTS} does not say what the catalogue says; run `make docs` and commit the page");
}

#[test]
fn a_row_that_comes_or_goes_changes_the_page() {
    let page = endpoints(CATALOG);
    assert_ne!(page, endpoints(&CATALOG[1..]));
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), CATALOG.len());
    let undocumented = Operation::ALL.iter().filter(|operation| !page.contains(&format!("`{operation}`")));
    // A stream is the same row as the whole answer, with the switch in its column.
    assert_eq!(undocumented.collect::<Vec<_>>(), Vec::<&Operation>::new());
}

#[test]
fn every_channel_is_in_the_configuration_page() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap_or_default();
    let missing: Vec<&str> = CHANNELS.iter().map(|row| row.id).filter(|id| !page.contains(&format!("| `{id}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new(), "add a row to the table of channels in docs/configuration.md");
}

#[test]
fn every_admin_route_is_in_its_page() {
    let routes: Vec<String> = api::routes().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert!(routes.len() > 40, "the routes were not found");
    let page = fs::read_to_string(root().join("docs/admin-api.md")).unwrap_or_default();
    let missing: Vec<&String> = routes.iter().filter(|route| !page.contains(&format!("`{route}`"))).collect();
    assert_eq!(missing, Vec::<&String>::new(), "add them to docs/admin-api.md");
}

const ADMIN_API: &str = "docs/admin-api.md";
const ROLES_FROM: &str = "<!-- Generated from src/admin/role.rs and src/http/api/asks.rs: run `make docs`. -->\n";
const ROLES_TO: &str = "<!-- End of the table of roles. -->\n";

/// The routes that ask for something, as they are written in the page.
fn asking(asks: Asks) -> Vec<String> {
    api::routes().filter(|(_, _, other)| *other == asks).map(|(method, path, _)| format!("`{method} {path}`")).collect()
}

/// A page with its table of roles written anew; `None` where its marks are gone.
fn with_roles(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(ROLES_FROM)?;
    let (_, after) = rest.split_once(ROLES_TO)?;
    let mut table = String::from("| | ");
    for role in Role::ALL.iter().rev() {
        let _ = write!(table, "{role} | ");
    }
    let _ = writeln!(table, "Routes |\n|---|{}---|", "---|".repeat(Role::ALL.len()));
    for (area, access) in Area::ALL.iter().flat_map(|area| Access::ALL.iter().map(move |access| (*area, *access))) {
        let routes = asking(Asks::Role(area, access));
        if routes.is_empty() {
            continue;
        }
        let _ = write!(table, "| {} {} | ", access.word(), area.word());
        for role in Role::ALL.iter().rev() {
            let cell = match reach(*role, area, access) {
                Reach::Nothing => "",
                Reach::Organization => "own ",
                Reach::All => "all ",
            };
            let _ = write!(table, "{cell}| ");
        }
        let _ = writeln!(table, "{} |", routes.join(", "));
    }
    Some([before, ROLES_FROM, &table, ROLES_TO, after].concat())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it may write")]
fn the_admin_page_says_which_role_opens_what() {
    let path = root().join(ADMIN_API);
    let mut standing = fs::read_to_string(&path).unwrap_or_default();
    let wanted = with_roles(&standing).expect("the marks of the generated part");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).expect("the page can be written");
        standing.clone_from(&wanted);
    }
    assert!(standing == wanted, "{ADMIN_API} does not say what the table of roles says; run `make docs` and commit the page");
}

const OPENAPI: &str = "docs/openapi.json";

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it may write")]
fn the_openapi_document_is_that_of_the_routes() {
    let wanted = serde_json::to_string_pretty(&api::document()).expect("a document") + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(OPENAPI), &wanted).expect("the document can be written");
    }
    let standing = fs::read_to_string(root().join(OPENAPI)).unwrap_or_default();
    assert!(standing == wanted, "{OPENAPI} does not say what the routes say; run `make docs` and commit it");
}

#[test]
fn the_openapi_document_has_every_route_and_names_only_what_it_has() {
    let document = serde_json::Value::Object(api::document());
    let mut ids = BTreeSet::new();
    for (method, path, _) in api::routes() {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty() && ids.insert(id.to_owned()), "{method} {path} is not there, or its name {id:?} is another's");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path} has no summary");
    }
    let text = document.to_string();
    let named: Vec<&str> = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(named.len() > 100, "the schemas were not found");
    let missing: Vec<&&str> = named.iter().filter(|name| document["components"]["schemas"][**name].is_null()).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

const CONFIGURATION: &str = "docs/configuration.md";
const KNOBS_FROM: &str = "<!-- Generated from src/app/config/knob.rs: run `make docs`. -->\n";
const KNOBS_TO: &str = "<!-- End of the generated part. -->\n";

/// A page with its table of flags written anew; `None` where its marks are gone.
fn with_knobs(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(KNOBS_FROM)?;
    let (_, after) = rest.split_once(KNOBS_TO)?;
    let mut table = String::from("| Flag | Environment | In the file | Default | |\n|---|---|---|---|---|\n");
    for knob in KNOBS {
        let env: Vec<String> = knob.env.iter().map(|name| format!("`{name}`")).collect();
        let place = knob.section.map_or_else(String::new, |section| format!("`{}` in `[{section}]`", knob.key()));
        let _ = writeln!(table, "| `--{}` | {} | {place} | {} | {} |", knob.flag, env.join(", "), knob.default, knob.help);
    }
    Some([before, KNOBS_FROM, &table, KNOBS_TO, after].concat())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether it may write")]
fn the_configuration_page_has_every_flag() {
    let path = root().join(CONFIGURATION);
    let mut standing = fs::read_to_string(&path).unwrap_or_default();
    let wanted = with_knobs(&standing).expect("the marks of the generated part");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).expect("the page can be written");
        standing.clone_from(&wanted);
    }
    assert!(standing == wanted, "{CONFIGURATION} does not say what the table of knobs says; run `make docs` and commit the page");
}

/// A link of a page: its line, and what it points at.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    line: usize,
    target: String,
}

/// The links of a Markdown text that lead into the repository. What stands in code is no link.
fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect();
        for part in prose.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            if !["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
                found.push(Link { line: number + 1, target: target.to_owned() });
            }
        }
    }
    found
}

/// The names by which the headings of a text can be linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| -> String {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

/// What is wrong with the links of one page.
fn broken(page: &Path, text: &str) -> Vec<String> {
    let fault = |link: &Link| {
        let (file, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
        let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap_or(page).join(file) };
        if !target.exists() {
            return Some(format!("{}:{}: {file} is not there", page.display(), link.line));
        }
        let known = anchor.is_empty() || fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor));
        (!known).then(|| format!("{}:{}: {} has no heading #{anchor}", page.display(), link.line, target.display()))
    };
    links(text).iter().filter_map(fault).collect()
}

fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        let depth = folder.components().count() - root().components().count();
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let hidden = name.to_string_lossy().starts_with('.')
                || (depth == 0 && ["target", "node_modules", "data"].iter().any(|skip| name == *skip));
            if path.is_dir() && !hidden {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 8, "the documentation was not found");
    let found: Vec<String> = pages.iter().flat_map(|page| broken(page, &fs::read_to_string(page).unwrap_or_default())).collect();
    assert!(found.is_empty(), "broken links:\n{}", found.join("\n"));
}

#[test]
fn a_link_to_nowhere_is_found() {
    let page = root().join("README.md");
    let text =
        "[a](nowhere.md) `[b](code.md)` [c](https://example.com/x)\n```\n[d](fenced.md)\n```\n[e](Cargo.toml) [f](#no-such-heading)\n";
    let targets: Vec<String> = links(text).into_iter().map(|link| link.target).collect();
    assert_eq!(targets, ["nowhere.md", "Cargo.toml", "#no-such-heading"]);
    assert_eq!(broken(&page, text).len(), 2);
    assert!(anchors("# Where do I change X?\n").contains("where-do-i-change-x"));
}
