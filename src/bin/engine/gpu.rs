//! The reader's GPU: whether there is one, what it is called, and Burn's device on it, made once.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use cloze::engine::protocol::Problem;
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// An adapter as the browser describes it.
#[derive(Clone)]
pub(crate) struct Adapter {
    /// Vendor and architecture, or whatever the browser tells; empty if it tells nothing.
    pub name: String,
    /// Whether it is software.
    pub software: bool,
    /// The largest buffer a shader may bind, in bytes.
    largest_binding: u64,
}

/// The GPU, asked for when it is first needed.
#[derive(Default)]
pub(crate) struct Gpu {
    adapter: RefCell<Option<Adapter>>,
    device: RefCell<Option<Device>>,
    /// Whether a device is being made; Burn makes one only once.
    making: Cell<bool>,
    fault: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// The adapter, once one was found.
    pub(crate) fn adapter(&self) -> Option<Adapter> {
        self.adapter.borrow().clone()
    }

    /// What went wrong on the device outside of any call, if something did.
    pub(crate) fn fault(&self) -> Option<Problem> {
        let fault = self.fault.lock().ok()?.clone()?;
        Some(Problem::new("gpu-failed", fault))
    }

    /// Burn's device, for a model whose largest table has `needed` bytes.
    ///
    /// # Errors
    /// The true reason why there is none: `insecure-context`, `no-webgpu`, `no-adapter`, `gpu-limits`, `gpu-failed`.
    pub(crate) async fn device(&self, needed: u64) -> Result<Device, Problem> {
        while self.making.get() {
            gloo::timers::future::TimeoutFuture::new(20).await;
        }
        if let Some(problem) = self.fault() {
            return Err(problem);
        }
        let known = self.device.borrow().clone();
        if let Some(device) = known {
            return self.fits(needed).map(|()| device);
        }
        self.making.set(true);
        let made = self.make(needed).await;
        self.making.set(false);
        made
    }

    async fn make(&self, needed: u64) -> Result<Device, Problem> {
        let adapter = find_adapter().await?;
        self.adapter.replace(Some(adapter));
        self.fits(needed)?;
        let (device, setup) = Device::wgpu_options().init_with_setup_async().await.map_err(|error| {
            Problem::new("gpu-failed", format!("the browser's GPU device could not be made: {error:?}"))
        })?;
        let fault = Arc::clone(&self.fault);
        setup.device.on_uncaptured_error(Arc::new(move |error| note(&fault, format!("{error}"))));
        let fault = Arc::clone(&self.fault);
        setup.device.set_device_lost_callback(move |_, message| {
            note(&fault, format!("the GPU was taken away: {message}"));
        });
        self.device.replace(Some(device.clone()));
        Ok(device)
    }

    /// Whether a buffer of `needed` bytes may be bound.
    fn fits(&self, needed: u64) -> Result<(), Problem> {
        let allowed = self.adapter.borrow().as_ref().map_or(u64::MAX, |adapter| adapter.largest_binding);
        if needed <= allowed {
            return Ok(());
        }
        let detail = format!("the model needs a buffer of {needed} bytes; this GPU allows {allowed}");
        Err(Problem::new("gpu-limits", detail).with("needed", needed).with("allowed", allowed))
    }
}

fn note(fault: &Mutex<Option<String>>, message: String) {
    if let Ok(mut fault) = fault.lock() {
        fault.get_or_insert(message);
    }
}

/// Asks the browser for an adapter.
async fn find_adapter() -> Result<Adapter, Problem> {
    let scope = js_sys::global();
    let get = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let gpu = get(&get(&scope, "navigator"), "gpu");
    if gpu.is_undefined() || gpu.is_null() {
        return Err(if get(&scope, "isSecureContext").is_falsy() {
            Problem::new("insecure-context", "the page was opened over http://, so the browser hides the GPU")
        } else {
            Problem::new("no-webgpu", "this browser has no WebGPU")
        });
    }
    let none = || Problem::new("no-adapter", "WebGPU found no usable GPU");
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
    let largest_binding =
        get(&get(&adapter, "limits"), "maxStorageBufferBindingSize").as_f64().unwrap_or(f64::MAX);
    Ok(Adapter { name, software, largest_binding: largest_binding as u64 })
}
