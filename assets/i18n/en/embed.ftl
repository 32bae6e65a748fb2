# One panel in somebody's slides.

embed-title-mask = Fill the mask
embed-title-attention = Attention, layer { $layer }, head { $head }
embed-title-attention-heads = Attention, all heads
embed-title-generate = Generate
embed-frame = Cloze: { $title }
embed-on-gpu = { $model } on your GPU
embed-on-software = { $model } in WebGPU software emulation
embed-on-cpu = { $model } on your CPU
embed-checked = self-check passed
embed-open = Cloze ↗
embed-open-label = Open this in Cloze, in a new tab
embed-blanked = The screen is blank. Press . or B to show it again.
