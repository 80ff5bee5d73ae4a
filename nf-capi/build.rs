//! Gives the shared library its name with the version of the interface, which programs that link it ask for.

fn main() {
    println!("cargo::rerun-if-changed=Cargo.toml");
    let manifest = std::fs::read_to_string("Cargo.toml").expect("the manifest of this crate");
    let library = manifest.split("[package.metadata.capi.library]").nth(1).expect("the library's version");
    let version = library.split("version = \"").nth(1).and_then(|rest| rest.split('.').next()).expect("a version");
    // cargo-c sets it by itself.
    let by_cargo_c = std::env::var_os("CARGO_FEATURE_CAPI").is_some();
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") && !by_cargo_c {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libneural_filter.so.{version}");
    }
}
