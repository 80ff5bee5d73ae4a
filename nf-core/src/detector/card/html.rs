//! A card as an HTML page that needs nothing else.

use super::{Card, text::Part};
use crate::page::{self, escape};

impl Card {
    /// The card as one HTML page: light or dark as the reader has it, without script, network or fonts from elsewhere.
    pub fn to_html(&self, title: &str) -> String {
        let mut html = page::begin(title);
        for part in self.parts() {
            page::section(&mut html, part.title, &content(&part));
        }
        page::end(html)
    }
}

fn content(part: &Part) -> String {
    if part.facts.iter().all(|(name, _)| name.is_empty()) {
        let items: String = part.facts.iter().map(|(_, text)| format!("<li>{}</li>\n", escape(text))).collect();
        return format!("<ul>\n{items}</ul>\n");
    }
    let item = |(name, text): &(String, String)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(text));
    format!("<dl class=\"rows\">\n{}</dl>\n", part.facts.iter().map(item).collect::<String>())
}
