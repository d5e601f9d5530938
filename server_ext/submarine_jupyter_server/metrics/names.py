"""Which words of a log line name a metric.

What training code prints has no grammar: ``loss=0.5`` is a metric, ``batch_size=32`` a setting, ``error: 404`` neither.
So a line tells metrics only where a name of this vocabulary stands before a number. Names that may also mean something
else (``precision=16``) need a number with a point; those that end like a setting (``iou_threshold``) are settings.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLEAR = _words(
    """
    loss losses nll bce logloss acc accuracy acc1 acc5 top1 top5 auc auroc auprc aucpr f1 mse rmse mae
    mape rmsle perplexity ppl bleu miou psnr ssim ndcg mrr mcc elbo inertia deviance merror mlogloss
    gradnorm reward bpb
    """
)
_VAGUE = _words(
    """
    score precision prec recall iou dice rouge rouge1 rouge2 rougel wer cer r2 fid kl map map50 map75 ap
    ap50 kappa rew return returns entropy jaccard sensitivity specificity l1 l2 objective
    """
)
_QUALIFIED = _words(
    """
    train training test val valid validation eval mean squared absolute rate avg average
    """
)
_SETTING = _words(
    """
    weight weights coef coeff coefficient fn func function type threshold thresh thres eps epsilon
    patience smoothing margin target goal delta alpha beta gamma k factor interval freq every name names
    id code size steps packet packets count limit clip lambda decay reduction version py line max_norm
    ratio warmup
    scale scaler cc cpp cu hpp js ts go rs java log txt json csv yaml yml ipynb pt pth
    """
)
_BESIDE = frozenset(("lr", "learning_rate", "learning rate", "grad_norm", "grad norm"))
TRIGGERS = (
    _CLEAR
    | (_VAGUE - {"l1", "l2", "kl", "cer"})
    | _words(
        """
    epoch epochs step steps iter iters iteration iterations update updates error err
    trainloss valloss testloss totalloss celoss trainacc valacc testacc
    """
    )
)
"""Words of which one is in every line that tells metrics, but for what boosting libraries print and rows of tables."""

_TOKENS = re.compile(r"[\s_./@:'\-]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_metric(name: str, number: str) -> bool:
    """Whether ``name`` before ``number`` is a metric."""
    tokens = [token for token in _TOKENS.split(_CAMEL.sub("_", name).lower()) if token]
    if not tokens or not _SETTING.isdisjoint(tokens):
        return False
    if not _CLEAR.isdisjoint(tokens) or tokens[-1].endswith("loss") or {"grad", "norm"} <= set(tokens):
        return True
    vague = not _VAGUE.isdisjoint(tokens) or tokens[-1].endswith(("score", "auc"))
    error = tokens[-1] in ("error", "err", "rate") and "err" in "".join(tokens) and not _QUALIFIED.isdisjoint(tokens)
    return (vague or error) and _is_fraction(number)


def goes_along(name: str) -> bool:
    """Whether ``name`` is kept beside the metrics of a line, but makes no line one of metrics."""
    return name.lower() in _BESIDE


def plain(name: str) -> str:
    """Return a name as it is kept: ``Val Loss`` as ``val_loss``."""
    return re.sub(r"\s+", "_", name.strip().lower().replace("avg.", "avg"))


def _is_fraction(number: str) -> bool:
    return "." in number or "e-" in number.lower() or "nan" in number.lower()
