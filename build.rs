//! Tells cargo that the migrations are a part of the binary: it would not notice one that is new.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
