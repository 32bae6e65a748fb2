# The lesson "Generate".

generate-title = Generate
generate-text-1 =
    GPT has one job: given the tokens so far, give a probability to every possible next token. One is drawn, appended,
    and the model runs again.
generate-text-2 =
    Temperature sharpens or flattens the distribution. Top-k and top-p cut off its tail. What survives is scaled up to
    add to 1.
generate-notice =
    GPT cannot know what comes later: it only weighs the next token. Go back and pick another token to open a branch,
    and see how far one choice carries.

generate-key-next = next token
generate-key-rewind = rewind
generate-key-candidate = move between candidates
generate-key-enter = pick a token, open a branch

# The text.
generate-prompt = Your prompt. GPT continues it.
generate-example-1 = She opened the door and saw a
generate-example-2 = The little boy sat down by the fire and
generate-example-3 = In the morning the soldiers went to
generate-continuation = GPT continued: { $text }
generate-long-title = That is { $n } tokens; this model reads { $max }.
generate-long-line = The end was left out:
generate-ended = The model drew the end of the text. Go back to take another way.
generate-full = The model is full: it reads { $max } tokens at most. Go back to take another way.
generate-crowded = Delete a branch to open another.
generate-unnamed = token { $id }

# Playing.
generate-transport = Playback
generate-to-prompt = Back to the prompt
generate-rewind = One step back
generate-play = Play
generate-pause = Pause
generate-forward = One step forward
generate-step = step { $step }
generate-seed = seed
generate-said-step = Step { $step }: { $piece }, { $before } percent before, { $after } after.
generate-said-back = Back at step { $step }.

# The timeline.
generate-timeline = Timeline. Scrolls sideways where it does not fit.
generate-prompt-tokens =
    { $n ->
        [one] prompt, 1 token
       *[other] prompt, { $n } tokens
    }
generate-branch = branch { $letter }
generate-delete = Delete branch { $letter }
generate-node-taken = Step { $step }: { $piece }. Go back to after it.
generate-node-other = Step { $step } of another branch: { $piece }. Go there.

# The candidates.
generate-next = Next token
generate-temperature = Temperature
generate-temperature-typed = Temperature, 0 to 2
generate-greedy = always the most probable
generate-top-k = Top-k
generate-top-k-typed = Top-k, 1 to 100 or all
generate-all = all
generate-top-p = Top-p
generate-top-p-typed = Top-p, 0 to 1
generate-table = Candidates for the next token, before and after temperature, top-k and top-p
generate-table-token = token
generate-table-before = before: softmax of the logits
generate-table-after = after: temperature, top-k, top-p
generate-table-pick = choose
generate-drawn = drawn
generate-picked = picked
generate-pick = pick
generate-pick-label = Pick { $piece }
generate-take-label = { $piece }, { $act }: take it
generate-cut-top-k = cut: beyond top-k
generate-cut-top-p = cut: beyond top-p
generate-others = { $n } more
generate-others-after = { $p } after
generate-others-cut = cut: { $cuts }
generate-others-top-p = { $n } by top-p
generate-others-top-k = { $n } by top-k
generate-bars = The most probable next tokens, after temperature, top-k and top-p

# Attention.
generate-looked = Where this step looked
generate-layer = layer { $layer }
generate-layer-label = Layer
generate-looked-region = Attention of the last token. Scrolls where it does not fit.
generate-looked-summary = Attention of the last token in layer { $layer }, mean of heads. Most on { $top }.
generate-looked-note = Mean of the heads. Attention shows where the model looked, not why it chose.
generate-numbers = Attention of the last token in each layer, mean of heads, in percent

# The cache.
generate-cache = KV cache
generate-cache-sentence =
    { $computed ->
        [one] This step computed 1 position
       *[other] This step computed { $computed } positions
    } and reused { $reused }. { $positions } positions × { $layers ->
        [one] 1 layer
       *[other] { $layers } layers
    } × 2 × { $hidden } × 4 bytes = { $size }
generate-cache-label =
    Keys and values of { $positions } positions in { $layers } layers; { $computed ->
        [one] the last one is new
       *[other] the last { $computed } are new
    }.
generate-cache-region = KV cache. Scrolls sideways where it does not fit.
generate-cache-note = Outlined: computed by this step. K left, V right in each pair. Free up to { $max } positions.
generate-kib = { $n } KiB
generate-mib = { $n } MiB

# In slides.
generate-embed-temperature = temperature { $t }
