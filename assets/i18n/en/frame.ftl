# What surrounds every lesson: header, model bar, notices and sheets.

frame-title = { $lesson } · Cloze
frame-home = Cloze, home
frame-skip = Skip to the figure
frame-lessons = Lessons
frame-lesson-mask = Mask
frame-lesson-attention = Attention
frame-lesson-generate = Generate
frame-lesson-choose = Choose a lesson. Now: { $lesson }
frame-notes = Notes
frame-keys = Keys
frame-share = Share
frame-theme = Switch between light and dark
frame-close = Close
frame-dismiss = Dismiss

# What the lessons have in common.
notes-notice = Notice
notes-more = About this lesson
notes-keys = all keys
examples = Examples
empty-title = Type a sentence to begin.
empty-line = Or take one of these:
as-table = As a table
as-figure = As a figure

# The model bar. Nothing stands here that is not known.
bar-label = Model
bar-shape = { $layers ->
    [one] { $layers } layer
   *[other] { $layers } layers
 } × { $heads ->
    [one] { $heads } head
   *[other] { $heads } heads
 }, { $millions } M weights
bar-shape-small = { $layers } × { $heads } heads
# Of the weights, after their number.
bar-kept = { " " }in { $type }
bar-effect = , best piece as in full at { $same } of { $positions } positions
bar-sign-bert = reads in both directions
bar-sign-gpt = reads from left to right
bar-where-gpu = Runs on your GPU: WebGPU, { $adapter }
bar-where-gpu-unnamed = Runs on your GPU: WebGPU, adapter not named
bar-where-software = Runs in WebGPU software emulation, slow
bar-where-cpu = Runs on your CPU
bar-because = . { $reason }
bar-where-none = Waits for its model
bar-both-gpu = Both run on your GPU: WebGPU, { $adapter }
bar-both-gpu-unnamed = Both run on your GPU: WebGPU, adapter not named
bar-both-software = Both run in WebGPU software emulation, slow
bar-both-cpu = Both run on your CPU
bar-why = Why not the GPU?
bar-check-passed = Self-check passed
bar-check-differs = , differs from the reference by { $diff } at most
bar-check-failed = Self-check failed, differs by { $diff }. Do not trust these numbers.
bar-check-running = Self-check running
bar-check-none = No reference for this checkpoint
bar-both-passed = Self-checks passed
bar-time = one pass { $ms } ms
bar-time-token = one token { $ms } ms
bar-time-both = { $first } ms and { $second } ms per pass
bar-downloading = Downloading { $model }, { MB($loaded) } of { MB($total) } MB
bar-downloading-unknown = Downloading { $model }, { MB($loaded) } MB so far
bar-speed = , { MB($speed) } MB a second
bar-speed-left = , { MB($speed) } MB a second, { $left } left
bar-pause = Pause
bar-resume = Go on
bar-cancel = Cancel

# Names of models on the screen.
model-name-bert = BERT
model-name-distilbert = DistilBERT
model-name-roberta = RoBERTa
model-name-gpt = GPT
model-name-gpt-neo = GPT-Neo
model-name-from = { $name } from { $source }

# Notices.
notice-label = Notices
notice-unreadable = { $n ->
    [one] Part of this link could not be read: { $keys }.
   *[other] Parts of this link could not be read: { $keys }.
 }
notice-start-again = Start again
notice-try-again = Try again

# All keys.
keys-title = Keys
keys-single = Single-key shortcuts
keys-single-note = Off, letters, digits and signs do nothing; arrows, Home, End and the page keys still work.
keys-everywhere = Everywhere
keys-lesson = lesson
keys-sentence = edit the sentence; Esc leaves it
keys-notes = hide or show the notes
keys-theme = dark or light
keys-all = this list
keys-table = figure as a table
keys-arrows = within a figure: token, cell, head, candidate
keys-enter = select, pick a token, put a prediction in the blank
keys-mask-mask = mask or unmask the word
keys-mask-guess = guess first
keys-mask-cover = cover the right side
keys-mask-restore = take a word out of the blank again
keys-attention-head = previous or next head
keys-attention-layer = previous or next layer
keys-attention-off = head on or off; in the grid, Shift and a click
keys-attention-special = hide or show special tokens
keys-generate-step = next token, rewind
keys-generate-play = play or pause
keys-key-esc = Esc
keys-key-enter = Enter
keys-key-space = Space
keys-key-backspace = Backspace
keys-key-home = Home
keys-key-end = End
keys-ends = start and end of a row

# Share.
share-title = Share
share-link = Link
share-link-note = Whoever opens it sees what you see now. The text stays in the address: it is not sent to a server.
share-link-copy = Copy link
share-iframe = Frame for slides
share-iframe-note = One panel, 16:9. Arrow keys and clickers step through it.
share-iframe-copy = Copy iframe
share-panel = Panel
share-panel-predictions = Predictions
share-panel-tokens = Tokens
share-panel-heatmap = Attention of one head
share-panel-heads = All heads
share-panel-text = Text and next token
share-panel-dist = Distribution
share-edit = The text can be edited
share-reveal = The answer is shown from the start
share-keys = Show the line of keys
share-theme = Light and dark
share-theme-auto = as the system says
share-theme-light = light
share-theme-dark = dark
share-copied = Copied
share-select = Press Ctrl+C, or ⌘C on a Mac, to copy what is selected.
share-too-long = This text is too long for a link. Shorten it to share it.
