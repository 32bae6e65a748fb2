;; The loop of a linear map with products and sums in one instruction (the relaxed SIMD of WebAssembly 3.0): 45 GFLOP/s on one
;; core of a Xeon, where `block` in panels.rs has 32. A module of its own, since a browser that does not know the instruction
;; refuses all of the program in which it stands. It computes in the program's own memory.
;;
;;     y[row, output] = bias[output] + sum over inputs of x[row, input] * weights[input, output]
;;
;; Six rows by eight outputs at a time: twelve sums, the two vectors of an input's weights and a number of x are what fifteen
;; registers hold, and twelve sums are enough that none has to wait for itself.

(module
  (memory (import "cloze" "memory") 0)

  ;; Where things lie is told in bytes. x: [six, input, row of the six], $sixes of them; weights: [panel, input, output of the
  ;; panel], $panels of them, eight outputs wide; bias: [panel, output of the panel]; y: [row, output], $stride bytes from one
  ;; row to the next.
  (func (export "multiply")
    (param $x i32) (param $sixes i32) (param $weights i32) (param $panels i32) (param $inputs i32)
    (param $bias i32) (param $y i32) (param $stride i32)
    (local $six i32) (local $number i32) (local $row i32) (local $weight i32) (local $end i32)
    (local $a v128) (local $b v128) (local $n v128)
    (local $sum_0a v128) (local $sum_0b v128)
    (local $sum_1a v128) (local $sum_1b v128)
    (local $sum_2a v128) (local $sum_2b v128)
    (local $sum_3a v128) (local $sum_3b v128)
    (local $sum_4a v128) (local $sum_4b v128)
    (local $sum_5a v128) (local $sum_5b v128)

    (loop $panel
      (local.set $end (i32.add (local.get $weights) (i32.shl (local.get $inputs) (i32.const 5))))
      (local.set $six (local.get $sixes))
      (local.set $number (local.get $x))
      (local.set $row (local.get $y))

      (loop $rows
        (local.set $a (v128.load (local.get $bias)))
        (local.set $b (v128.load offset=16 (local.get $bias)))
        (local.set $sum_0a (local.get $a)) (local.set $sum_0b (local.get $b))
        (local.set $sum_1a (local.get $a)) (local.set $sum_1b (local.get $b))
        (local.set $sum_2a (local.get $a)) (local.set $sum_2b (local.get $b))
        (local.set $sum_3a (local.get $a)) (local.set $sum_3b (local.get $b))
        (local.set $sum_4a (local.get $a)) (local.set $sum_4b (local.get $b))
        (local.set $sum_5a (local.get $a)) (local.set $sum_5b (local.get $b))
        (local.set $weight (local.get $weights))

        (loop $input
          (local.set $a (v128.load (local.get $weight)))
          (local.set $b (v128.load offset=16 (local.get $weight)))
          (local.set $n (v128.load32_splat (local.get $number)))
          (local.set $sum_0a (f32x4.relaxed_madd (local.get $n) (local.get $a) (local.get $sum_0a)))
          (local.set $sum_0b (f32x4.relaxed_madd (local.get $n) (local.get $b) (local.get $sum_0b)))
          (local.set $n (v128.load32_splat offset=4 (local.get $number)))
          (local.set $sum_1a (f32x4.relaxed_madd (local.get $n) (local.get $a) (local.get $sum_1a)))
          (local.set $sum_1b (f32x4.relaxed_madd (local.get $n) (local.get $b) (local.get $sum_1b)))
          (local.set $n (v128.load32_splat offset=8 (local.get $number)))
          (local.set $sum_2a (f32x4.relaxed_madd (local.get $n) (local.get $a) (local.get $sum_2a)))
          (local.set $sum_2b (f32x4.relaxed_madd (local.get $n) (local.get $b) (local.get $sum_2b)))
          (local.set $n (v128.load32_splat offset=12 (local.get $number)))
          (local.set $sum_3a (f32x4.relaxed_madd (local.get $n) (local.get $a) (local.get $sum_3a)))
          (local.set $sum_3b (f32x4.relaxed_madd (local.get $n) (local.get $b) (local.get $sum_3b)))
          (local.set $n (v128.load32_splat offset=16 (local.get $number)))
          (local.set $sum_4a (f32x4.relaxed_madd (local.get $n) (local.get $a) (local.get $sum_4a)))
          (local.set $sum_4b (f32x4.relaxed_madd (local.get $n) (local.get $b) (local.get $sum_4b)))
          (local.set $n (v128.load32_splat offset=20 (local.get $number)))
          (local.set $sum_5a (f32x4.relaxed_madd (local.get $n) (local.get $a) (local.get $sum_5a)))
          (local.set $sum_5b (f32x4.relaxed_madd (local.get $n) (local.get $b) (local.get $sum_5b)))
          (local.set $number (i32.add (local.get $number) (i32.const 24)))
          (local.set $weight (i32.add (local.get $weight) (i32.const 32)))
          (br_if $input (i32.lt_u (local.get $weight) (local.get $end))))

        (v128.store (local.get $row) (local.get $sum_0a))
        (v128.store offset=16 (local.get $row) (local.get $sum_0b))
        (local.set $row (i32.add (local.get $row) (local.get $stride)))
        (v128.store (local.get $row) (local.get $sum_1a))
        (v128.store offset=16 (local.get $row) (local.get $sum_1b))
        (local.set $row (i32.add (local.get $row) (local.get $stride)))
        (v128.store (local.get $row) (local.get $sum_2a))
        (v128.store offset=16 (local.get $row) (local.get $sum_2b))
        (local.set $row (i32.add (local.get $row) (local.get $stride)))
        (v128.store (local.get $row) (local.get $sum_3a))
        (v128.store offset=16 (local.get $row) (local.get $sum_3b))
        (local.set $row (i32.add (local.get $row) (local.get $stride)))
        (v128.store (local.get $row) (local.get $sum_4a))
        (v128.store offset=16 (local.get $row) (local.get $sum_4b))
        (local.set $row (i32.add (local.get $row) (local.get $stride)))
        (v128.store (local.get $row) (local.get $sum_5a))
        (v128.store offset=16 (local.get $row) (local.get $sum_5b))
        (local.set $row (i32.add (local.get $row) (local.get $stride)))
        (br_if $rows (local.tee $six (i32.sub (local.get $six) (i32.const 1)))))

      (local.set $weights (local.get $end))
      (local.set $bias (i32.add (local.get $bias) (i32.const 32)))
      (local.set $y (i32.add (local.get $y) (i32.const 32)))
      (br_if $panel (local.tee $panels (i32.sub (local.get $panels) (i32.const 1)))))))
