"""What libraries write (tqdm 4.70, Keras 3.15, rich 15.0 as recorded; Keras 2 and Lightning by their formats)."""

from __future__ import annotations

TQDM = (
    "Epoch 3:  33%|###3      | 1/3 [00:00<00:12, 97.07it/s]",
    "batch:  67%|██████▋   | 2/3 [00:00<00:00,  9.06it/s, loss=0.5]",
    " 33%|#########6                   | 1.00M/3.00M [00:00<00:00, 145GB/s, loss=0.5]",
    " 34%|###4      | 102/300 [00:00<00:11, 16.97it/s]",
    " 67% 2/3 [00:00<00:00, 54099.52it/s]",
    "3it [00:00, 94.56it/s]",
)
KERAS_3 = (
    " 4/12 ━━━━━━━━━━━━━━━━━━━━ 10s 61ms/step - accuracy: 0.2500 - loss: 0.5208",
    "12/12 ━━━━━━━━━━━━━━━━━━━━ 11s 61ms/step - accuracy: 0.6500 - loss: 0.2586",
    "      3/Unknown 10s 60ms/step - loss: 0.6111",
)
KERAS_2 = (
    " 4/12 [=========>....................] - ETA: 12s - loss: 0.5208 - accuracy: 0.2500",
    "12/12 [==============================] - 11s 61ms/step - loss: 0.2586",
)
RICH = (
    "Training ━━━━━━━━━━━━━━━━━━━━╺━━━━━━━━━━━━━━━━━━━  50% 0:00:11",
    "Training ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100% 0:00:00",
)
LIGHTNING_RICH = ("Epoch 1/3  ━━━━━━━━━╺━━━━━━━━━━━━ 45/100 0:00:11 • 0:00:12 4.00it/s v_num: 0.000",)

NESTED_TQDM = (
    b"\repochs:   0%|          | 0/2 [00:00<?, ?it/s]\n"
    b"\rbatch:   0%|          | 0/3 [00:00<?, ?it/s]\x1b[A\n"
    b"\rbatch:  33%|###3      | 1/3 [00:00<00:00,  9.08it/s]\x1b[A\n"
    b"\rbatch:  67%|######6   | 2/3 [00:00<00:00,  9.06it/s]\x1b[A\n"
    b"\rbatch: 100%|##########| 3/3 [00:00<00:00,  8.99it/s]\x1b[A"
    b"\rbatch: 100%|##########| 3/3 [00:00<00:00,  9.00it/s]\n"
    b"\repochs:  50%|#####     | 1/2 [00:00<00:00,  3.00it/s]\n"
    b"\rbatch:   0%|          | 0/3 [00:00<?, ?it/s]\x1b[A\n"
    b"\rbatch:  33%|###3      | 1/3 [00:00<00:00,  9.08it/s]\x1b[A\n"
    b"\rbatch: 100%|##########| 3/3 [00:00<00:00,  9.06it/s]\x1b[A"
    b"\rbatch: 100%|##########| 3/3 [00:00<00:00,  9.05it/s]\n"
    b"\repochs: 100%|##########| 2/2 [00:00<00:00,  3.01it/s]\repochs: 100%|##########| 2/2 [00:00<00:00,  3.01it/s]\n"
)
"""An outer and an inner bar, both left standing."""

COLOURED_TQDM = (
    b"\r  0%|          | 0/2 [00:00<?, ?it/s]\n\r  0%|\x1b[32m          \x1b[0m| 0/3 [00:00<?, ?it/s]\x1b[A\n"
    b"\r 33%|\x1b[32m###3      \x1b[0m| 1/3 [00:00<00:00, 78.12it/s]\x1b[A\n"
    b"\r100%|\x1b[32m##########\x1b[0m| 3/3 [00:00<00:00, 91.92it/s]\x1b[A\n"
    b"\r                                             \x1b[A\r 50%|#####     | 1/2 [00:00<00:07, 29.62it/s]"
)
"""An inner bar with a colour, which goes at its end."""


def _keras(done: int, time: str, back: str = "\b" * 73 + "\r", of_all: int = 12) -> str:
    full = done * 20 // of_all
    bar = f"\x1b[32m{'━' * full}\x1b[0m\x1b[37m{'━' * (20 - full)}\x1b[0m"
    return f"{back}\x1b[1m{done:2}/{of_all}\x1b[0m {bar} \x1b[1m{time}\x1b[0m 62ms/step - loss: 0.5"


FIT_KERAS = (
    f"Epoch 1/2\n{_keras(1, '0s', chr(13))}{_keras(6, '3s')}{_keras(12, '0s')}{_keras(12, '7s')}\n"
    f"Epoch 2/2\n{_keras(6, '4s', chr(13))}{_keras(12, '7s')}\n"
).encode()
EVALUATE_KERAS = _keras(3, "1s", "\r", of_all=4).encode()

_BAR = "\x1b[90m━━━━━━━━━━━━━━━━━━━━\x1b[0m"
TWO_OF_RICH = (
    f"\x1b[?25l\r\x1b[2KEpochs  {_BAR} \x1b[35m  0%\x1b[0m \x1b[36m-:--:--\x1b[0m\n"
    f"Batches {_BAR} \x1b[35m  0%\x1b[0m \x1b[36m-:--:--\x1b[0m\r\x1b[2K\x1b[1A\x1b[2K"
    f"Epochs  {_BAR} \x1b[35m 50%\x1b[0m \x1b[36m0:00:07\x1b[0m\n"
    f"Batches {_BAR} \x1b[35m 67%\x1b[0m \x1b[36m0:00:01\x1b[0m"
).encode()
"""A first frame, and a second one drawn over it."""
