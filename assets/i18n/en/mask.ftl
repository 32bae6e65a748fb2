# The lesson "Fill the mask".

mask-title = Fill the mask
mask-text-1 = BERT was trained on a cloze test: hide a word, then guess it from the words on *both* sides.
mask-text-2 =
    Text is first cut into { $pieces ->
       *[words] WordPiece tokens
        [bytes] byte-level tokens
    }. Each token becomes one vector: the sum of { $segments ->
        [0] a token and a position embedding
       *[other] a token, a segment and a position embedding
    }. { $layers ->
        [0] Layers of attention mix these vectors,
        [one] Its one layer of attention mixes these vectors,
       *[other] Its { $layers } layers of attention mix these vectors,
    } and the one standing at { $pieces ->
       *[words] [MASK]
        [bytes] <mask>
    } is turned into a probability for every piece in the vocabulary.
mask-notice = Cover the words after the blank and compare the two lists. Whatever changed came from the right side.

mask-key-move = move between tokens

# The sentence.
mask-sentence = Your sentence. [MASK] in it is a blank.
mask-example-1 = The [MASK] is shining in the sky.
mask-example-2 = He opened the [MASK] and walked into the house.
mask-example-3 = The keys to the house [MASK] on the table.
mask-example-4 = The girl lost [MASK] hat in the garden.
mask-example-5 = The nurse told us that [MASK] was tired.
mask-example-6 = The old [MASK] sat by the fire and told a [MASK].

# What can be done with a word.
mask-hide = Hide “{ $word }”
mask-unhide = Put “{ $word }” back
mask-take-out = Take “{ $word }” out
mask-no-original = No word was hidden here: type one, or choose one from the list.
mask-counter = { $n } of { $max } tokens

# The figure.
mask-figure = From tokens to prediction. Scrolls sideways where it does not fit.
mask-strip-caption = WordPiece tokens with their ids, the three embeddings that are added, and the attention of the blank
mask-row-tokens = tokens
mask-row-id = id
mask-row-token = token
mask-row-segment = segment A
mask-row-position = position
mask-row-input = input
mask-layer = layer { $layer }
mask-barcode = { $row ->
    [token] Token embedding
    [segment] Segment embedding
    [position] Position embedding
   *[input] Input embedding
 } of { $piece }: { $n } dimensions, from { $least } to { $most } in the mean of neighbours
mask-read-bin = { $row ->
    [token] Token embedding
    [segment] Segment embedding
    [position] Position embedding
   *[input] Input embedding
 } of { $piece }, dimensions { $from } to { $to } of { $n }: mean { $mean }
mask-read-scale = Barcodes: purple below 0, green above, full colour from ±{ $limit }
mask-token = { $piece }, id { $id }, { $first ->
    [one] { $last ->
        [one] character 1
       *[other] characters 1 to { $last }
    }
   *[other] characters { $first } to { $last }
 }
mask-token-of-word = { $piece }, a piece of “{ $word }”, id { $id }, characters { $first } to { $last }
mask-token-added = { $piece }, a special token that was added, id { $id }
mask-token-mask = { $piece }, the blank, id { $id }
mask-flow = { $tokens } token streams pass through { $layers } layers; the blank at token { $position } gathers from the others, most from { $most }.
mask-flow-no-blank = { $tokens } token streams pass through { $layers } layers. Nothing is hidden, so no stream is read out.
mask-flow-item = { $piece } ({ $share })
mask-flow-line = layer { $layer }: { $piece } → [MASK], { $share }
mask-read-out = only this vector is read out, against { $vocabulary } pieces

# The same as a table.
mask-table-caption = The tokens of the sentence, and how much the blank attends to each in every layer (mean of the heads)
mask-table-token = token
mask-table-id = id
mask-table-span = characters
mask-table-word = word
mask-table-prediction = first prediction
mask-table-p = p
mask-table-hidden = covered until you guess

# The answer.
mask-predictions = What BERT puts in the blank
mask-predictions-help = What BERT puts in the blank. Choose a row to put its word there.
mask-top = Top
mask-top-label = How many predictions are listed
mask-rest = { $n } more
mask-slots = Blanks
mask-slot = Blank { $n }
mask-slot-filled = Blank { $n }: { $word }
mask-busy = A newer result is on its way
mask-headless = This checkpoint has no head for masked words: it reads the sentence, but predicts nothing. Embeddings and attention are there.
mask-cut-blank = This blank lies in the part that was left out.
mask-announce = { $word } comes first, with { $p }.

# Guess first.
mask-guess = Guess first
mask-guess-label = Your guess
mask-guess-toggle = Hide the answer until I guess
mask-guess-covered = The answer is covered. Guess one word first.
mask-guess-show = Show the answer
mask-guess-rank = { $rank ->
    [1] Your word came first, with { $p }.
    [2] Your word came second, with { $p }.
    [3] Your word came third, with { $p }.
    [4] Your word came fourth, with { $p }.
    [5] Your word came fifth, with { $p }.
    [6] Your word came sixth, with { $p }.
    [7] Your word came seventh, with { $p }.
    [8] Your word came eighth, with { $p }.
   *[other] Your word came in place { $place }, with { $p }.
 }
mask-guess-first = BERT put **{ $word }** first.
mask-guess-pieces = **{ $word }** is { $n } pieces, BERT fills one piece per [MASK].
mask-guess-unknown = BERT’s vocabulary has no piece for **{ $word }**.

# The right side covered.
mask-cover = With the right side covered
mask-cover-whole = With the whole sentence
mask-cover-toggle = Cover in the figure
mask-cover-none = No words follow the blank, so there is nothing to cover.
mask-covered = covered

# States.
mask-none-title = Nothing is hidden yet.
mask-none-line = Select a word and press M.
mask-none-action = Hide a word for me
mask-long-title = That is { $n } tokens; this model reads { $max }.
mask-long-line = The end was left out, shown in grey.
mask-waiting = The figure appears when the model is loaded.

# One panel in slides.
mask-embed-reveal = reveal
mask-embed-examples = { $n ->
    [0] examples
   *[other] examples, { $n } of { $all }
 }
mask-embed-cover = cover right side
mask-embed-covered = Think of a word, then press the space bar.
