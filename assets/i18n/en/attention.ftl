# The lesson "Attention".

attention-title = Attention
attention-text-1 = Every row is one token asking “whom should I read?”. Its weights add up to 1.
attention-text-2 = High attention is not the same as importance: it says what was read, not what mattered. Switch a head off and see.
attention-notice = Only BERT may look ahead. Find a head that looks just *one token back*, and one that rests on *[SEP]* or on the *first token*.

attention-key-head = head
attention-key-layer = layer
attention-key-special = special tokens
attention-key-off = head on/off

# The sentence, and what is shown.
attention-sentence = Your sentence
attention-example-1 = The king said that his daughter was ill.
attention-example-2 = The king told the queen that he was tired.
attention-example-3 = The cat that chased the dogs was very tired.
attention-show = Models
attention-both = Side by side
attention-special = Hide special tokens
attention-counter = { $n } of { $max } tokens

# The grid of heads.
attention-grid = { $model }: { $layers ->
    [one] { $layers } layer
   *[other] { $layers } layers
 } of { $heads ->
    [one] { $heads } head
   *[other] { $heads } heads
 }. Choose one.
attention-grid-axes = layer ↓ head →
attention-grid-layer = layer
attention-head = Layer { $layer }, head { $head }
attention-head-off = Layer { $layer }, head { $head }, switched off

# Heads that are switched off.
attention-head-on = Head on
attention-all-on = All on
attention-off = Switched off: p({ $token }) { $before } → { $after }, **{ $points }{"\u00A0"}points**
attention-off-waiting = Switched off: …
attention-off-no-mask = Switched off. Write [MASK] for a word to see what that changes.
attention-off-other-row = Switched off. Choose the row of [MASK] to see what that changes.
attention-off-last = Switched off. Nothing follows this token: choose an earlier row to see what that changes.
attention-said-off = { $model }, layer { $layer }, head { $head }: off
attention-said-on = { $model }, layer { $layer }, head { $head }: on
attention-said-all-on = All heads on

# The heatmap.
attention-title-of = { $model }, layer { $layer }, head { $head }
attention-axis-key = **key** — who is looked at →
attention-axis-query = **query** — who is looking ↓
attention-heatmap = Attention of { $title }. Rows are queries, columns are keys.
attention-region = Heatmap of { $title }
attention-cell = { $query } looks at { $key }: { $weight }
attention-cell-weight = “{ $query }” → “{ $key }”: { $weight }
attention-cell-hidden = “{ $key }” is not visible to “{ $query }”
attention-wrong-sum = This row adds up to { $sum }, not to 1.
attention-legend = share of the row (√ scale)
attention-legend-hidden = not visible: comes later
attention-legend-hidden-near = not visible: comes later, or is too far back
attention-slider = Key
attention-rescaled = Rows rescaled: { $pieces } held { $percent } % of this row.
attention-and = { $list } and { $last }

# The same as a table.
attention-table = { $title }: the weight that each query (row) gives to each key (column)
attention-table-corner = query ↓ key →
attention-not-visible = not visible

# Where the word looks.
attention-looks = Where **{ $word }** looks, % of the row
attention-looks-region = Arcs. Scrolls sideways where they do not fit.
attention-above = { $model } above
attention-below = { $model } below
attention-arcs-hidden = not visible to { $model }’s “{ $word }”
attention-share = { $word } { $percent } %
attention-summary = Arcs from { $word }. { $sides }
attention-summary-above = Above, BERT: mostly { $shares }.
attention-summary-below = Below, GPT: mostly { $shares }.
attention-elsewhere = { $model }’s { $pieces } hold another { $percent } %

# How the row is computed.
attention-computed = How { $model }’s row for **{ $word }** is computed
attention-computed-region = The computation step by step. Scrolls sideways where it does not fit.
attention-step-dot = q · k
attention-step-root = ÷ √{ $size }
attention-step-times = × { $factor }
attention-step-mask = + mask
attention-step-softmax = softmax
attention-step-hidden = −∞, not visible
attention-step-zero = 0, exactly

# States.
attention-long-title = That is { $n } tokens; this lesson shows { $max }.
attention-long-line = The end was left out, shown in grey.
attention-waiting = The figure appears when the model is loaded.

# One panel in slides.
attention-embed-model = BERT or GPT
attention-embed-hidden = The hatched half is not visible: those words come later. Each row adds up to 1.
attention-embed-sum = Every word can be seen, before and after. Each row adds up to 1.
attention-say = **{ $query }** gives { $percent } % of its attention to **{ $key }**.
attention-say-piece = **{ $query }** gives { $percent } % of its attention to **{ $key }**, a piece of “{ $word }”.
attention-say-itself = **{ $query }** gives { $percent } % of its attention to itself.
attention-say-hidden = **{ $key }** is not visible to **{ $query }**.

# The shader panel.
shader-show = Show the shader
shader-caption = What your GPU did for { $model }’s last run: { $count } dispatches, one after the other, done once more to be timed. Choose one to read its program.
shader-region = Dispatches of the last run. Scrolls where they do not fit.
shader-kernel = kernel
shader-computes = computes
shader-grid = workgroups
shader-reads = reads
shader-writes = writes
shader-time = ms
shader-sum = All together
shader-source = WGSL of { $kernel }
shader-none = No shader ran: your CPU computes { $model }.
shader-preparing = No shader ran yet: your CPU computes { $model } while your GPU is prepared.
