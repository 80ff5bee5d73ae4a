//! What a user meets who comes by `cargo add`: a crate of their own that runs the README's lines, and the package.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where builds of the workspace put their artefacts. Nested builds use it too: what is built there already, in the same
/// profile, is not built again.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

/// The workspace's profile for tests that train models.
fn profile() -> String {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let start = manifest.find("[profile.optimised]").expect("the workspace has the profile");
    manifest[start..].split("\n\n").next().unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn run(mut command: Command) -> String {
    let output = command.output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{error}");
    out.into_owned()
}

/// The README's first block of Rust.
fn readme_lines() -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let block = readme.split("```rust\n").nth(1).expect("the README has a block of Rust");
    block.split("```").next().unwrap().to_owned()
}

#[test]
fn a_crate_outside_the_workspace_runs_the_lines_of_the_readme() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: String| fs::write(directory.path().join(name), content).unwrap();
    let core = root().join("nf-core");
    let profile = profile();
    let manifest = format!(
        "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
        [dependencies]\nnf-core = {{ path = {core:?} }}\n\n\
        [[bin]]\nname = \"outside\"\npath = \"main.rs\"\n\n{profile}\n"
    );
    write("Cargo.toml", manifest);
    // The versions that the workspace was tested with.
    fs::copy(root().join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
    write("main.rs", format!("fn main() -> Result<(), Box<dyn std::error::Error>> {{\n{}Ok(())\n}}\n", readme_lines()));
    let mut build = cargo(&["build", "--profile", "optimised", "--manifest-path"]);
    build.arg(directory.path().join("Cargo.toml")).arg("--target-dir").arg(target());
    run(build);
    let mut program = Command::new(target().join("optimised/outside"));
    // Its paths are those of the repository, what it saves goes to the temporary directory.
    fs::create_dir(directory.path().join("run")).unwrap();
    std::os::unix::fs::symlink(root().join("examples"), directory.path().join("run/examples")).unwrap();
    program.current_dir(directory.path().join("run"));
    let printed = run(program);
    assert!(printed.contains(" > "), "the sessions that stand out are printed:\n{printed}");
}

#[test]
fn the_package_holds_the_crate_its_readme_and_its_licences() {
    let mut list = cargo(&["package", "--package", "nf-core", "--list", "--allow-dirty", "--manifest-path"]);
    list.arg(root().join("Cargo.toml"));
    let list = run(list);
    let files: Vec<&str> = list.lines().collect();
    for file in ["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs", "src/detector/mod.rs"] {
        assert!(files.contains(&file), "{file} is missing in\n{list}");
    }
    // Packing alone here; what is packed is built from its archive where there is time for it.
    let slow = env::var_os("NF_SLOW").is_some();
    if !slow {
        println!("the package is not built: set NF_SLOW=1, or run tests/run slow");
    }
    let mut package = cargo(&["package", "--package", "nf-core", "--allow-dirty", "--target-dir"]);
    package.arg(target()).args((!slow).then_some("--no-verify")).arg("--manifest-path").arg(root().join("Cargo.toml"));
    run(package);
}
