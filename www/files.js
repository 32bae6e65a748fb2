// Files of the reader's: dropped anywhere on the page, or chosen in the sheet of models. They stay on this computer.

/** The files of a dropped folder, and of the folders in it. */
async function under(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    // A dropped file does not tell its folder, a chosen one does.
    Object.defineProperty(file, "webkitRelativePath", { value: `${path}${file.name}` });
    return [file];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // It gives some at a time, and none at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const inner of some) found.push(...(await under(inner, `${path}${entry.name}/`)));
  }
}

/** What went wrong stands above the lesson; the promise is for scripts. */
const load = (files) => window.cloze.load(files).catch(() => {});

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});

addEventListener("dragleave", (event) => {
  // Between two parts of the page there is a part it goes to.
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});

addEventListener("drop", async (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.remove("dropping");
  // The list is emptied when this function first waits.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...event.dataTransfer.files];
  const files = entries.length > 0 ? (await Promise.all(entries.map((entry) => under(entry)))).flat() : plain;
  load(files);
});

addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-model-files]")) return;
  document.querySelector("dialog[open]")?.close();
  load(event.target.files);
});
