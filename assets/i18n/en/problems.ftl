# What can go wrong. The message is one sentence; its attribute `line`, where there is one, says what to do.
# The names after `problem-` are the codes of the JavaScript API.

# Where the GPU does not compute.
problem-no-webgpu = This browser has no WebGPU.
    .line = The processor computes instead. Current Chrome, Edge and Safari have WebGPU; Firefox depends on the system.
problem-insecure-context = This page was opened over http://, so the browser hides the GPU.
    .line = The processor computes instead. Open the https:// address, or localhost.
problem-no-adapter = WebGPU found no usable GPU.
    .line = The processor computes instead. A driver may be blocked, or hardware acceleration switched off in the browser’s settings.
problem-gpu-limits = The model needs a buffer of { MB($needed) } MB; this GPU allows { MB($allowed) } MB.
    .line = The processor computes instead. A smaller model, or a shorter text, would fit.
problem-gpu-memory = The GPU has no memory left: { MB($needed) } MB were asked for.
    .line = The processor computes instead. Close other pages and programs that use the GPU, then load the page again.
problem-gpu-lost = The GPU was taken away, often by sleep or a driver reset.
    .line = The processor computes instead, and your text is kept. If the GPU comes back, it takes over again.
problem-gpu-failed = The GPU failed.
    .line = The processor computes instead. Loading the page again tries the GPU once more. The browser says: { $detail }
problem-self-check-failed = This GPU computes numbers that differ from the reference by { $diff }.
    .line = The processor computes instead, so what you see is right. A newer browser or graphics driver may help.

# The engine as a whole.
problem-engine-stopped = The engine has stopped.
    .line = Your text is kept. If it stops again, the machine may be short of memory: close other pages. The engine says: { $detail }
problem-no-model = No model is loaded yet.
    .line = Load one first.
problem-no-head = This model has no head.
    .line = Without scores there is nothing to compare; attention and embeddings work.
problem-no-kernels = There are no kernels to show.
    .line = They are what a GPU runs: let the model run on one first.
problem-internal = Something went wrong.
    .line = { $detail }

# Fetching a checkpoint.
problem-bad-source = “{ $source }” names no model.
    .line = Use “bert”, “gpt”, “hf:” and a model’s name on the Hugging Face hub, or “url:” and the https address of a folder with config.json, tokenizer.json and model.safetensors.
problem-network = { $file } could not be fetched: nothing answered.
    .line = Check the connection. A server elsewhere must also allow this page to read it (CORS). The address was { $url }
problem-http-status = { $file } could not be fetched: the server answered { $status }.
    .line = { $status ->
        [404] There is no such file. Check the address: { $url }
       *[other] Try again later, or check the address: { $url }
    }
problem-not-a-model-file = Where { $file } should be, there is a web page.
    .line = Use the address from which the files themselves are downloaded. This was { $url }
problem-not-allowed = { $file } is not given to everybody: the server answered { $status }.
    .line = The model is private, wants its terms to be accepted, or is not there. Cloze cannot log in: choose another, or check the name. The address was { $url }
problem-busy = The server is busy.
    .line = It asks for patience. What has arrived is kept where the browser has room: load the model again later.
problem-file-changed = { $file } became another file while it arrived.
    .line = Somebody has just renewed the model. Load it again.
problem-hash-differs = The downloaded file is not the expected one.
    .line = { $file } was deleted. Load the model again.
problem-bad-archive = { $file } cannot be unpacked.
    .line = Unpack it yourself, and take the files in it. What is wrong: { $reason }
problem-file-absent = { $file } is not among the files.
    .line = Take all files of the model’s folder together: config.json, the tokenizer’s and model.safetensors.
problem-only-pytorch = PyTorch .bin files can run code, so they are not opened.
    .line = The model has no model.safetensors. Convert it with Hugging Face transformers: AutoModel.from_pretrained("…").save_pretrained("…") with the model’s own class.
problem-cancelled = The download was given up.
    .line = What has arrived is kept where the browser has room: loading the model again goes on there.
problem-superseded = A model that was asked for later has taken its place.
    .line = Load it once more to have it back.
problem-storage-full = The browser has no room for this model.
    .line = It works now, but must be downloaded again next time.
problem-storage-forbidden = The browser lets this page store nothing.
    .line = The model works now, but must be downloaded again next time. Private windows and http:// pages have no storage.
problem-storage-busy = Another page is storing this model.
    .line = It works here too, and will be there next time.
problem-truncated = { $file } is cut short.
    .line = Part of the file did not arrive, so nothing of it was used. Download it again.
problem-wrong-family = { $source } is not the kind of model that its place in the link asks for.
    .line = A link names a BERT first and a GPT second.

# Reading a checkpoint.
problem-config-not-json = config.json is not a JSON object.
    .line = Take the file as it lies in the model’s folder. It could not be read further: { $reason }
problem-bad-config = config.json: “{ $key }” is { $found }, but must be { $expected }.
    .line = Correct it, or take the config.json that was saved with the weights.
problem-unsupported-architecture = { $found } is not supported.
    .line = Cloze runs BERT, DistilBERT, RoBERTa, GPT-2 and GPT-Neo models. Nothing was loaded.
problem-unsupported-setting = config.json: “{ $key }” is { $found }, which is not supported.
    .line = Cloze supports { $supported } only: choose a checkpoint with that.
problem-not-safetensors = This file is not a safetensors checkpoint.
    .line = Download model.safetensors again, or convert the weights to safetensors. It could not be read: { $reason }
problem-corrupt-header = model.safetensors has a damaged header.
    .line = Download it again. What is wrong: { $reason }
problem-bad-index = model.safetensors.index.json does not list the files of the weights.
    .line = Download it again. What is wrong: { $reason }
problem-missing-tensor = { $key } is missing in model.safetensors.
    .line = Nothing was loaded. Make sure that config.json and model.safetensors belong together.
problem-wrong-shape = { $key } has shape { $found }, expected { $expected }.
    .line = Nothing was loaded. Make sure that config.json and model.safetensors belong together.
problem-unsupported-dtype = { $key } is stored as { $found }, which is not read.
    .line = Save the weights as F32, F16 or BF16.
problem-no-memory = There is no memory for { $key } of model.safetensors: { MB($bytes) } MB.
    .line = Close other tabs and programs, or choose a smaller checkpoint.
problem-not-finite = { $key } holds a value that is no finite number.
    .line = Download the file again. If it stays so, the training diverged: choose another checkpoint.

# Reading a tokenizer.
problem-bad-tokenizer = tokenizer.json cannot be used.
    .line = Take the file as it lies in the model’s folder. What is wrong: { $reason }
problem-bad-vocabulary = { $file } cannot be used.
    .line = Take the file as it lies in the model’s folder. What is wrong: { $reason }
problem-no-tokenizer = The weights are fine, but the tokenizer is missing.
    .line = The folder needs tokenizer.json, or vocab.txt, or vocab.json and merges.txt: { $url }
problem-tokenizer-lacks-token = tokenizer.json has no token { $key }, which BERT needs.
    .line = Take the file that was saved with the model.
problem-unsupported-tokenizer = tokenizer.json: “{ $key }” is { $found }, which is not supported.
    .line = Cloze runs { $supported }: choose a model whose tokenizer is that.
problem-wrong-tokenizer = tokenizer.json holds { $found }, but this model reads { $expected }.
    .line = Make sure that tokenizer.json and config.json belong together.
problem-tokenizer-mismatch = tokenizer.json does not belong to config.json.
    .line = It numbers its pieces up to { $found }, but the model knows { $expected } of them. Take both files from the same folder.

# What is asked of a model.
problem-empty-text = Type a sentence to begin.
    .line = There is no text to run on.
problem-too-long = That is { $n } tokens; this model reads { $max }.
    .line = Shorten the text, or take back some of the drawn tokens.
problem-text-too-long = The text is too long: { $found } bytes.
    .line = At most { $max } bytes are read. Shorten it; the last result stays.
problem-too-few-tokens = At most { $max } tokens may be read, but the special tokens alone are { $needed }.
    .line = Allow more.
problem-pair-not-read = GPT reads one text, not a pair.
    .line = Leave the second text out.
problem-unknown-activation = This model has no activation “{ $name }”.
    .line = Layers count from 0 in the names of activations.
problem-bad-request = The request cannot be understood.
    .line = { $detail }
