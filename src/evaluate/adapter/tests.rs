use super::*;
use crate::evaluate::AdapterInfo;
use crate::evaluate::gpu::Limits;

fn adapter(name: &str, kind: &str) -> AdapterDescription {
    AdapterDescription {
        info: AdapterInfo {
            name: name.to_owned(),
            backend: "vulkan".to_owned(),
            driver: "invented".to_owned(),
            kind: kind.to_owned(),
        },
        model: [0; 2],
        pci_bus_id: String::new(),
        limits: Limits {
            binding_bytes: 1 << 27,
            buffer_bytes: 1 << 28,
            groups_per_dimension: 65_535,
            workgroup_bytes: 1 << 15,
            workgroup_threads: 256,
        },
        timestamps: false,
        subgroups: false,
    }
}

fn decision(choice: &str, present: &[AdapterDescription]) -> Result<Decision, AdapterError> {
    let choice = choice.parse().expect("every text is a choice");
    decide(&choice, present)
}

#[test]
fn auto_takes_hardware_and_never_software() {
    let both = [adapter("Radeon", "discrete_gpu"), adapter("llvmpipe", "software")];
    let chosen = decision("auto", &both).expect("a choice");
    assert_eq!(chosen.adapter, Some(0));
    assert!(chosen.notice.contains("Radeon") && chosen.notice.contains("best hardware GPU"));
    let chosen = decision("auto", &both[1..]).expect("a choice");
    assert_eq!(chosen.adapter, None);
    assert!(chosen.notice.contains("no hardware GPU was found"), "{}", chosen.notice);
}

#[test]
fn software_is_taken_when_asked_for_with_a_warning() {
    let both = [adapter("Radeon", "discrete_gpu"), adapter("llvmpipe", "software")];
    for choice in ["software", "LLVM"] {
        let chosen = decision(choice, &both).expect("a choice");
        assert_eq!(chosen.adapter, Some(1));
        assert!(chosen.notice.contains("for testing"), "{}", chosen.notice);
    }
}

#[test]
fn what_is_not_there_is_an_error_that_lists_what_is() {
    let present = [adapter("llvmpipe", "software")];
    for choice in ["gpu", "geforce", ""] {
        let error = decision(choice, &present).expect_err("no such adapter");
        assert!(error.is_usage());
        assert!(error.to_string().contains("\"llvmpipe\" (vulkan, software), cpu"), "{error}");
    }
    let error = decision("software", &[]).expect_err("no such adapter");
    assert!(error.to_string().ends_with("present: cpu"), "{error}");
}

#[test]
fn a_gpu_that_nobody_asked_for_changes_no_ticket() {
    let [fused, separate, flushed, _] = Arithmetic::ALL;
    assert_eq!(instead_of(fused, None), None);
    assert_eq!(instead_of(flushed, None), Some(fused));
    assert_eq!(instead_of(flushed, Some(flushed)), None);
    assert_eq!(instead_of(fused, Some(separate)), Some(separate));
}

#[test]
fn another_of_equal_names_is_chosen_by_its_number() {
    let twins = ["0000:01:00.0", "0000:41:00.0"].map(|place| AdapterDescription {
        pci_bus_id: place.to_owned(),
        ..adapter("GeForce", "discrete_gpu")
    });
    for (choice, expected) in [("geforce", 0), ("geforce:1", 0), ("GeForce:2", 1)] {
        assert_eq!(decision(choice, &twins).expect("a choice").adapter, Some(expected), "{choice}");
    }
    let error = decision("geforce:3", &twins).expect_err("there are two");
    assert!(error.to_string().starts_with("--adapter geforce:3: no such adapter"), "{error}");
    for text in ["geforce:2", "geforce", "a:b", "geforce:0"] {
        assert_eq!(text.parse::<AdapterChoice>().expect("every text is a choice").to_string(), text);
    }
}

#[test]
fn a_device_that_two_interfaces_show_is_one() {
    let on = |backend: &str, place: &str, device: u32| {
        let mut seen = adapter("Arc", "discrete_gpu");
        seen.info.backend = backend.to_owned();
        AdapterDescription { pci_bus_id: place.to_owned(), model: [0x8086, device], ..seen }
    };
    let [one, two] = ["0000:03:00.0", "0000:04:00.0"];
    // Two of one model, and a third device whose place nobody says.
    let vulkan = [on("vulkan", one, 7), on("vulkan", two, 7), on("vulkan", "", 8)];
    assert_eq!(distinct(&vulkan), [0, 1, 2]);
    let dx12 = [on("dx12", one, 7), on("dx12", two, 7), on("dx12", "", 8), on("dx12", "", 9)];
    assert_eq!(distinct(&[&vulkan[..], &dx12].concat()), [0, 1, 2, 6]);
    // Equal devices of one interface are several, whatever it says of their places.
    assert_eq!(distinct(&[on("dx12", one, 7), on("dx12", one, 7)]), [0, 1]);
}

#[test]
fn of_all_what_does_not_open_is_left_out_and_named() {
    let opens = || -> Result<Opened, AdapterError> {
        Ok(Opened::new(CpuBackend(Arithmetic::Fused), "adapter: it".to_owned()))
    };
    let fails = || Err(EvaluateError::DeviceLost("reset".to_owned()).into());
    let tried = |results: [Result<Opened, AdapterError>; 2]| {
        all_that_open(["Radeon", "GeForce"].map(str::to_owned).into_iter().zip(results))
    };
    let (opened, left_out) = tried([fails(), opens()]).expect("one opens");
    assert_eq!((opened.len(), left_out.len()), (1, 1));
    assert!(left_out[0].starts_with("adapter: Radeon is left out: the device was lost"), "{}", left_out[0]);
    assert!(matches!(tried([fails(), fails()]), Err(AdapterError::Device(_))));
    let (asked, has) = (Arithmetic::Fused, Arithmetic::Separate);
    let refused = Err(AdapterError::Arithmetic { asked, has, adapter: "Radeon".to_owned() });
    assert!(tried([refused, opens()]).is_err_and(|error| error.is_usage()));
}
