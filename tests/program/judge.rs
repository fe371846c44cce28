//! Fitness by measures of predicted classes, by programs, and by a judge of a caller of the library.

use crate::place::{Place, read_json, small_run, with};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use supermask::evaluate::{Arithmetic, CpuBackend, Evidence, Exhibit, Judge, JudgeError, JudgedBackend};
use supermask::objective::Needs;
use supermask::run::config::RunConfig;
use supermask::run::{self, Control, Run};

/// Reads confusion counts of two classes, and gives each right sample of the second class twice the worth of one of the
/// first. Ends after three batches where there is no file `goes_on`.
const PROGRAM: &str = r#"
batch=0
while read -r heading; do
    batch=$((batch + 1))
    if [ $batch -gt 3 ] && [ ! -e goes_on ]; then
        echo "out of paper" >&2
        exit 7
    fi
    masks=${heading#*\"masks\":}
    masks=${masks%%,*}
    head -c 10 > beginning
    head -c "$(od -An -tu2 -j8 beginning | tr -d ' ')" > /dev/null
    head -c $((masks * 16)) | od -An -v -tu4 -w16 | awk '{print 2 * $4 + $1}'
done
"#;

fn judged_by(program: &[&str], needs: &str) -> Value {
    with(small_run(), "/algorithm/fitness", json!({"program": program, "needs": needs, "timeout_s": 20}))
}

/// What [`PROGRAM`] does.
struct Weighted;

impl Judge for Weighted {
    fn needs(&self) -> Needs {
        Needs::Confusion
    }

    fn judge(&self, exhibit: &Exhibit<'_>) -> Result<Vec<f64>, JudgeError> {
        let Evidence::Confusion(counts) = exhibit.evidence else {
            return Err(JudgeError("something else is shown".to_owned()));
        };
        Ok(counts.chunks(4).map(|of_mask| f64::from(2 * of_mask[3] + of_mask[0])).collect())
    }
}

#[test]
fn a_program_judges_as_a_judge_of_the_library_does_and_its_end_loses_nothing() {
    let place = Place::new();
    place.write("judge.sh", PROGRAM);
    place.write_json("run.json", &judged_by(&["sh", "judge.sh"], "confusion"));
    let args = ["run", "run.json", "--adapter", "cpu", "--out", "out"];
    let sweep = json!({"name": "s", "base": judged_by(&["sh", "judge.sh"], "confusion")});
    place.write_json("sweep.json", &sweep);
    place.write("goes_on", "");
    let timed = place.succeed(&["sweep", "sweep.json", "--adapter", "cpu", "--dry-run"]);
    assert!(timed.stdout.contains("1 run of ga, [2, 6, 2], generations of each 8 to 12"), "{}", timed.stdout);
    std::fs::remove_file(place.path("goes_on")).expect("the file of a moment ago");
    let failed = place.run(&args);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    for part in ["the program \"sh judge.sh\" of algorithm.fitness ended (exit status: 7)", "out of paper"] {
        assert!(failed.stderr.contains(part), "{}", failed.stderr);
    }
    place.write("goes_on", "");
    let ended = place.succeed(&args);
    assert!(ended.stderr.contains("goes on from generation"), "{}", ended.stderr);
    assert!(ended.stdout.contains("program: train"), "{}", ended.stdout);
    let record = read_json(&place.path("out").join("run-seed0.json"));

    let own = with(small_run(), "/algorithm/fitness", json!("own"));
    let config: RunConfig = serde_json::from_value(with(own, "/name", json!("run"))).expect("valid");
    let dataset = Arc::new(config.dataset.load().expect("data"));
    let config = config.resolve(&dataset).expect("valid");
    let job = Run { cell: config.cell(), config };
    let backend = JudgedBackend::new(Arc::new(CpuBackend(Arithmetic::Fused)), Arc::new(Weighted));
    let never = AtomicBool::new(false);
    let own = run::run(&job, &dataset, &backend, &Control::stopping_at(&never));
    let own = own.expect("a run").expect("a record");
    assert_eq!(record["ticket"]["mask_hex"], own.ticket.expect("a ticket").mask_hex);
    let measure = own.result.measure.expect("what the judge says");
    assert_eq!(record["result"]["measure"]["train"], measure.train);
    assert_eq!(record["result"]["measure"]["test"], measure.test);
    assert_eq!((measure.name.as_str(), &record["result"]["measure"]["name"]), ("own", &json!("program")));
}

#[test]
fn programs_that_do_not_answer_are_named_with_what_they_did() {
    let place = Place::new();
    let args = ["run", "run.json", "--adapter", "cpu", "--out", "out"];
    for (script, part) in [
        ("read -r line; echo nan", "the score of mask 0"),
        ("read -r line; echo well", "answered \"well\" for mask 0"),
        ("echo 1; exit 0", "ended (exit status: 0) after 1 of"),
        ("cat > /dev/null & sleep 5", "scores within 0.2 s"),
    ] {
        let scores = if script.contains("nan") { "read -r line; yes nan" } else { script };
        let config = judged_by(&["sh", "-c", scores], "predictions");
        place.write_json("run.json", &with(config, "/algorithm/fitness/timeout_s", json!(0.2)));
        let failed = place.run(&args);
        assert_eq!(failed.code, Some(1), "{script}: {}", failed.stderr);
        assert!(failed.stderr.contains(part), "{script}: {}", failed.stderr);
    }
}

#[test]
fn what_no_search_can_go_by_is_refused() {
    let place = Place::new();
    for (fitness, part) in [
        (json!({"program": [], "needs": "outputs"}), "algorithm.fitness.program: must be a command"),
        (json!({"program": ["no-such-judge"], "needs": "outputs"}), "cannot start \"no-such-judge\""),
        (json!({"program": ["sh"]}), "needs"),
        (json!("balanced"), "`balanced_accuracy`"),
        (json!({"costs": [[0, 1], [1]]}), "row 1 has 1 costs, but there are 2 rows"),
        (
            json!({"costs": [[0, -1], [1, 0]]}),
            "algorithm.fitness.costs[0][1]: expected a whole number from 0 to",
        ),
        (json!({"costs": [[0, 1], [0, 2]]}), "the right one must not cost more"),
        (json!({"costs": [[1, 1], [0, 0]]}), "nothing that is predicted makes a difference"),
        (
            json!({"costs": [[0, 1, 1], [1, 0, 1], [1, 1, 0]]}),
            "algorithm.fitness.costs: must be 2 by 2, a row and a column for each class, found 3 by 3",
        ),
        (json!({"costs": [[0, 1], [1, 0]], "needs": "outputs"}), "`costs` stand alone"),
        (json!({"cost": [[0, 1], [1, 0]]}), "unknown key \"cost\", expected one of costs, program"),
        (json!("own"), "what a caller of the library says"),
    ] {
        place.write_json("run.json", &with(small_run(), "/algorithm/fitness", fitness));
        place.refused(&["run", "run.json", "--adapter", "cpu"], &[part]);
    }
    let local = json!({"kind": "local_search", "proposals": 10, "fitness": "macro_f1"});
    place.write_json("run.json", &with(small_run(), "/algorithm", local.clone()));
    place.refused(
        &["run", "run.json", "--adapter", "cpu"],
        &["algorithm.fitness", "sample by sample", "macro_f1"],
    );
    let costs = with(local, "/fitness", json!({"costs": [[0, 1], [3, 0]]}));
    place.write_json("run.json", &with(small_run(), "/algorithm", costs));
    place.refused(
        &["run", "run.json", "--adapter", "cpu"],
        &["algorithm.fitness", "sample by sample", "costs"],
    );
}

#[test]
fn a_measure_is_what_the_ticket_has_most_of_and_stands_in_the_record() {
    let place = Place::new();
    let config = with(small_run(), "/dataset/validation", json!(0.2));
    let config = with(config, "/network/hidden", json!([20]));
    place.write_json("run.json", &with(config, "/algorithm/fitness", json!("matthews_correlation")));
    let ended = place.succeed(&["run", "run.json", "--adapter", "cpu", "--out", "out"]);
    assert!(ended.stdout.contains("matthews_correlation: train "), "{}", ended.stdout);
    let record = read_json(&place.path("out").join("run-seed0.json"));
    let measure = &record["result"]["measure"];
    assert_eq!(measure["name"], "matthews_correlation");
    for split in ["train", "test", "validation"] {
        let value = measure[split].as_f64().expect("a value");
        assert!((-1.0..=1.0).contains(&value) && value != 0.0, "{split}: {value}");
    }
    let losses = record["history"]["best_loss"].as_array().expect("a history");
    let last = losses.last().and_then(Value::as_f64).expect("a loss");
    assert!((1.0 - last - measure["train"].as_f64().expect("a value")).abs() < 1e-9);
}

#[test]
fn costs_weigh_what_is_mistaken_for_what() {
    let place = Place::new();
    let config = with(small_run(), "/network/hidden", json!([20]));
    let mut missed = Vec::new();
    for costs in [[[0, 1], [20, 0]], [[0, 20], [1, 0]]] {
        place.write_json("run.json", &with(config.clone(), "/algorithm/fitness", json!({"costs": costs})));
        let ended = place.succeed(&["run", "run.json", "--adapter", "cpu", "--out", "out", "--force"]);
        assert!(ended.stdout.contains("costs: train "), "{}", ended.stdout);
        let record = read_json(&place.path("out").join("run-seed0.json"));
        assert_eq!(record["config"]["algorithm"]["fitness"], json!({"costs": costs}));
        let (measure, last) = (&record["result"]["measure"], &record["history"]["best_loss"]);
        assert_eq!(measure["name"], "costs");
        let train = measure["train"].as_f64().expect("a mean cost");
        assert_eq!(last.as_array().and_then(|all| all.last()).and_then(Value::as_f64), Some(train));
        let wrong = 200 - record["result"]["train_correct"].as_u64().expect("a count");
        // Each mistake costs 1 or 20: the total says how many were of which kind.
        let dear = ((train * 200.0).round() as u64 - wrong) / 19;
        assert!(dear <= wrong, "{dear} of {wrong}");
        missed.push((dear, wrong));
    }
    assert!(missed.iter().all(|(dear, wrong)| 2 * dear < *wrong), "dear mistakes are avoided: {missed:?}");
    let table = place.succeed(&["table", "out"]);
    assert!(table.stdout.contains("fitness on the test set"), "{}", table.stdout);
}
