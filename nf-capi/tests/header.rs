//! The header is what the sources say, and every exported function stands behind the boundary.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The source files, in the order in which `lib.rs` names them.
fn sources() -> Vec<(PathBuf, String)> {
    let lib = fs::read_to_string(folder().join("src/lib.rs")).unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let sources: Vec<_> = modules
        .map(|name| folder().join("src").join(format!("{name}.rs")))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    let there = fs::read_dir(folder().join("src")).unwrap().count();
    assert_eq!(sources.len() + 1, there, "all files are modules of lib.rs");
    sources
}

fn header() -> String {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = sources().into_iter().fold(builder, |builder, (path, _)| builder.with_src(path));
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

/// Name, head and body of every exported function.
fn exported() -> Vec<(String, String, String)> {
    let mut functions = Vec::new();
    for (path, text) in sources() {
        let marked = text.matches("no_mangle").count();
        let parts: Vec<&str> = text.split("#[unsafe(no_mangle)]\n").skip(1).collect();
        assert_eq!(parts.len(), marked, "{}: written as elsewhere", path.display());
        for part in parts {
            let (head, rest) = part.split_once(" {\n").unwrap();
            let body = rest.split("\n}\n").next().unwrap();
            let name = head.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            functions.push((name.to_owned(), head.to_owned(), body.trim().to_owned()));
        }
    }
    functions
}

/// Whether a body is one call of the macro and nothing behind it.
fn is_one_boundary(body: &str) -> bool {
    let Some(inside) = body.strip_prefix("boundary!(") else { return false };
    let (mut depth, mut in_text, mut escaped) = (1, false, false);
    for (i, letter) in inside.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = in_text,
            '"' => in_text = !in_text,
            '(' if !in_text => depth += 1,
            ')' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return matches!(inside[i + 1..].trim(), "" | ";");
        }
    }
    false
}

#[test]
fn a_body_with_more_than_its_boundary_is_seen() {
    for one in ["boundary!({ Ok(f(\"a) \\\" b\")) })", "boundary!(or 0 => { g() })", "boundary!(or () => free!(it));"] {
        assert!(is_one_boundary(one), "{one}");
    }
    for more in [
        "boundary!({ f() }); other(z)",
        "f(boundary!({ g() }))",
        "boundary!({ f() })?; boundary!({ g() })",
        "boundary!({ f()",
    ] {
        assert!(!is_one_boundary(more), "{more}");
    }
}

#[test]
fn structs_know_their_size_in_the_first_version() {
    let recorded = fs::read_to_string(folder().join("tests/abi.txt")).unwrap();
    let mut known = 0;
    for (path, text) in sources() {
        for line in text.lines().filter_map(|line| line.strip_prefix("sized!(nf_")?.strip_suffix(");")) {
            let (name, first) = line.split_once(", ").unwrap();
            let expected = format!("struct nf_{name}: {first} bytes");
            assert!(recorded.lines().any(|line| line == expected), "{}: {line}: not in tests/abi.txt", path.display());
            known += 1;
        }
    }
    assert!(known > 10, "{known}");
}

#[test]
fn the_committed_header_is_what_the_sources_say() {
    let (path, made) = (folder().join("include/nf.h"), header());
    if env::var_os("NF_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(there.lines()).position(|(a, b)| a != b);
    assert!(
        made == there,
        "include/nf.h is not what nf-capi/src says (first difference in line {:?}): run this test with NF_BLESS=1",
        differs.map(|line| line + 1)
    );
}

#[test]
fn every_exported_function_is_one_boundary_and_in_the_header() {
    let (functions, header) = (exported(), header());
    assert!(functions.len() > 50, "{}", functions.len());
    for (name, head, body) in &functions {
        assert!(name.starts_with("nf_") && head.contains("extern \"C\" fn "), "{name}: {head}");
        let gives_status = head.trim_end().ends_with("-> nf_status");
        let start = if gives_status { "boundary!({" } else { "boundary!(or " };
        assert!(body.starts_with(start) && is_one_boundary(body), "{name} is not one boundary:\n{body}");
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
    // What C may call is all there is: no other way out.
    for (path, text) in sources() {
        let externs = text.matches("extern \"C\" fn ").count();
        let types = text.matches("unsafe extern \"C\" fn(").count();
        let known = functions.iter().filter(|(name, ..)| text.contains(&format!("fn {name}("))).count();
        assert_eq!(externs, known, "{}: an extern function that is not exported", path.display());
        assert_eq!(types, text.matches("_fn = Option<unsafe extern").count(), "{}", path.display());
    }
}

#[test]
fn every_function_says_errors_and_threads_and_every_struct_its_init() {
    let header = header();
    for (path, text) in sources() {
        for part in text.split("#[unsafe(no_mangle)]\n").collect::<Vec<_>>().windows(2) {
            let name = part[1].split("fn ").nth(1).unwrap().split('(').next().unwrap();
            let doc: Vec<&str> = part[0].lines().rev().take_while(|line| line.starts_with("///")).collect();
            let doc: String = doc.into_iter().rev().flat_map(|line| [line.trim_start_matches("///"), " "]).collect();
            assert!(doc.to_lowercase().contains("threads"), "{}: {name} says nothing of threads", path.display());
            let gives = part[1].split('{').next().unwrap();
            let says = |words: &str| doc.to_lowercase().contains(words);
            assert!(!gives.contains("-> nf_status") || says("errors"), "{name} says nothing of errors");
            let hands = gives.contains("*mut *mut") || gives.contains("*mut *const") || gives.contains("-> *const");
            assert!(!hands || says("ownership"), "{name} says nothing of ownership");
        }
    }
    for (_, text) in sources() {
        for line in text.lines().filter_map(|line| line.strip_prefix("sized!(nf_")?.strip_suffix(");")) {
            let name = line.split(',').next().unwrap();
            let init = match name {
                "event" => "#define NF_EVENT_INIT {".to_owned(),
                name => format!("#define NF_{}_INIT NF_INIT(nf_{name})", name.to_uppercase()),
            };
            assert!(header.contains(&init), "no {init}");
        }
    }
}
