//! Settings: `conf/answerd.toml` against the defaults, and what the command says of wrong ones.

use std::process::{Command, Output};

use answerd::config::Config;
use toml::{Table, Value};

const FILE: &str = include_str!("../../conf/answerd.toml");

#[test]
fn the_file_shows_every_setting_at_its_default() {
    let shown: Table = toml::from_str(FILE).unwrap();
    let defaults = Table::try_from(Config::default()).unwrap();
    assert_eq!(shown, defaults);
    assert_eq!(Config::read(Some(("conf/answerd.toml", FILE)), []).unwrap(), Config::default());
    assert!(defaults.values().all(Value::is_table));
}

#[test]
fn every_setting_has_a_comment() {
    let mut comment = false;
    for line in FILE.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            // Keys that belong together may share one.
            assert!(comment, "no comment above {line:?}");
        }
        comment = line.starts_with('#') || (comment && !line.is_empty());
    }
}

fn check(arguments: &[&str], environment: &[(&str, &str)]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_answerd"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ANSWERD_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).envs(environment.iter().copied()).output().unwrap();
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    (output, told)
}

#[test]
fn wrong_settings_are_one_line_and_exit_code_78() {
    let directory = std::env::temp_dir().join(format!("answerd-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("wrong.toml");
    std::fs::write(&file, "[mrcp]\nport = 1544\nprot = 1\n").unwrap();
    let file = file.to_str().unwrap();
    for subcommand in ["serve", "check"] {
        let (output, told) = check(&[subcommand, "--config", file], &[]);
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.starts_with(&format!("{file}:3: mrcp.prot: unknown key")), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");

        let (output, told) = check(&[subcommand], &[("ANSWERD_ENGINE_MAX_CALLS", "0")]);
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.starts_with("ANSWERD_ENGINE_MAX_CALLS: engine.max_calls: "), "{told}");

        let (output, told) = check(&[subcommand, "--config", "/nonexistent/answerd.toml"], &[]);
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.starts_with("/nonexistent/answerd.toml: "), "{told}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn good_settings_are_told() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/answerd.toml");
    let (output, told) = check(&["check", "--config", file], &[]);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("backend"), "{printed}");
}

#[test]
fn who_stops_reading_ends_a_command_without_a_word() {
    let page = std::env::temp_dir().join(format!("answerd-unread-{}.html", std::process::id()));
    let truth = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/audio/truth.csv");
    for arguments in [vec!["check"], vec!["eval", truth, "--rules", "--html", page.to_str().unwrap()]] {
        let (unread, stdout) = std::io::pipe().unwrap();
        drop(unread);
        let output = Command::new(env!("CARGO_BIN_EXE_answerd"))
            .args(arguments)
            .stdout(stdout)
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(141));
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told, "");
    }
    // What was asked for beside the report is there.
    std::fs::remove_file(page).unwrap();
}
