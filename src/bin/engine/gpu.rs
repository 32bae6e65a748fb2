//! The reader's GPU: whether there is one, what it is called, and the device on it, made once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use cloze::engine::protocol::Problem;
use cloze::gpu::{Gpu as Device, GpuError, Traits};
use futures_util::lock::Mutex;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::worker::{get, webgpu};

/// An adapter as the browser describes it.
#[derive(Clone)]
pub(crate) struct Adapter {
    /// Vendor and architecture, or whatever the browser tells; empty if it tells nothing.
    pub name: String,
    /// What kernels are chosen by.
    pub traits: Traits,
}

/// The GPU, asked for when it is first needed.
#[derive(Default)]
pub(crate) struct Gpu {
    adapter: RefCell<Option<Adapter>>,
    /// Whoever asks while it is being made waits for it.
    device: Mutex<Option<Rc<Device>>>,
    /// How often it was taken away.
    losses: Cell<u32>,
    /// Whether it computed the reference values of a model of ours.
    pub(crate) proven: Cell<bool>,
}

/// How often a GPU that was taken away is asked for again.
const SECOND_CHANCES: u32 = 3;

impl Gpu {
    /// The adapter, once one was found.
    pub(crate) fn adapter(&self) -> Option<Adapter> {
        self.adapter.borrow().clone()
    }

    /// If `device` was taken away: what is said of that, and whether there is another since, or one may be asked for.
    pub(crate) async fn loss(&self, device: &Rc<Device>) -> Option<(Problem, bool)> {
        let lost = device.fault().filter(|fault| matches!(fault, GpuError::Lost(_)))?;
        let another = match &*self.device.lock().await {
            Some(now) => !Rc::ptr_eq(now, device) && now.fault().is_none(),
            None => false,
        };
        Some((lost.into(), another || self.losses.get() < SECOND_CHANCES))
    }

    /// The device; another if the last one was taken away.
    ///
    /// # Errors
    /// The true reason why there is none: `insecure-context`, `no-webgpu`, `no-adapter`, `gpu-failed`, `gpu-lost`.
    pub(crate) async fn device(&self) -> Result<Rc<Device>, Problem> {
        let mut device = self.device.lock().await;
        if let Some(known) = &*device {
            match known.fault() {
                None => return Ok(Rc::clone(known)),
                Some(GpuError::Lost(_)) if self.losses.get() < SECOND_CHANCES => {}
                Some(fault) => return Err(fault.into()),
            }
        }
        let adapter = find_adapter().await?;
        let traits = adapter.traits;
        self.adapter.replace(Some(adapter));
        let made = Rc::new(Device::new(Some(traits)).await?);
        if device.replace(Rc::clone(&made)).is_some() {
            self.losses.set(self.losses.get() + 1);
        }
        Ok(made)
    }
}

/// Asks the browser for an adapter.
async fn find_adapter() -> Result<Adapter, Problem> {
    let gpu = webgpu()?;
    let none = Problem::no_adapter;
    let request: Function = get(&gpu, "requestAdapter").dyn_into().map_err(|_| none())?;
    let promise: Promise = request.call0(&gpu).and_then(|value| value.dyn_into()).map_err(|_| none())?;
    let adapter = JsFuture::from(promise).await.map_err(|_| none())?;
    if adapter.is_null() || adapter.is_undefined() {
        return Err(none());
    }
    let info = get(&adapter, "info");
    let word = |name: &str| get(&info, name).as_string().unwrap_or_default();
    let words = [word("vendor"), word("architecture")];
    let mut name = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        name = word("description");
    }
    let fallback =
        get(&info, "isFallbackAdapter").is_truthy() || get(&adapter, "isFallbackAdapter").is_truthy();
    let software =
        fallback || ["swiftshader", "llvmpipe"].iter().any(|known| name.to_lowercase().contains(known));
    Ok(Adapter { name, traits: Traits { software, subgroup: subgroup(&adapter, &info) } })
}

/// The least number of invocations in a subgroup; 0 where there are none, or the browser does not say. The device has them
/// wherever the adapter does (`www/engine_loader.js`).
fn subgroup(adapter: &JsValue, info: &JsValue) -> u32 {
    let features = get(adapter, "features");
    let has = get(&features, "has").dyn_into::<Function>();
    let answer = has.and_then(|has| has.call1(&features, &"subgroups".into()));
    if !answer.is_ok_and(|answer| answer.is_truthy()) {
        return 0;
    }
    get(info, "subgroupMinSize").as_f64().unwrap_or_default() as u32
}
