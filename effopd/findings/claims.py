"""The claims of the document, in its order: name, figure, its words, what is compared and what has to hold.

Where the document gives no number the level is ours: half of the base's errors for strong, 0.02 for the same and for
negligible, a tenth for tiny, four in five for consistent.
"""

from __future__ import annotations

from effopd.findings import measures
from effopd.findings.comparisons import AgainstRL, Faster, Goal, Judged, Measured, Verdict, claim, judge
from effopd.findings.convergence import spent_to_own_end
from effopd.findings.estimates import depth
from effopd.findings.evidence import LATE, Evidence
from effopd.findings.measures import TABLE_1, aligned_at

BEYOND_ZERO = Goal("low", ">", 0.0)
COMPARED = ("opd", "rl")
FEWEST_LAYERS = 4  # with fewer there is no middle to tell from the periphery
SCALES = (1.5e9, 32e9)  # parameters


def no_middle(evidence: Evidence) -> tuple[Verdict, str] | None:
    layers = max(depth(run) for run in evidence.results.runs)
    if layers == 0 or layers >= FEWEST_LAYERS:
        return None
    return "not testable at this scale", f"A model of {layers} layers has no middle to tell from the rest."


def no_sweep(evidence: Evidence) -> tuple[Verdict, str] | None:
    return None if evidence.results.sweep else ("not measured", "No other learning rate was tried.")


def one_size(evidence: Evidence) -> tuple[Verdict, str]:
    """A pipeline trains models of one size, which can be outside the document's range or one of many in it."""
    size, place = "unknown size", "within"
    if evidence.results.paths is not None:
        parameters = evidence.results.paths.parameters
        place = "below" if parameters < SCALES[0] else "above" if parameters > SCALES[1] else "within"
        size = f"{parameters:,} parameters, {place} that range,"
    sizes = {row.benchmark: row.problems for row in evidence.benchmarked}
    named = ", ".join(f"{name} ({problems} problems)" for name, problems in sizes.items())
    beside = f" and on {len(sizes)} benchmark{'' if len(sizes) == 1 else 's'}: {named}" if sizes else ""
    return "not measured" if place == "within" else "not testable at this scale", (
        f"One model of {size} was trained here, and tested on one set of {evidence.results.base.n} problems{beside}. "
        "One size says nothing of the others."
    )


# fmt: off
CLAIMS = (
    claim("latent_ability", "learning_curves",
        "The base can solve the problems but usually does not: less than half at temperature 1, more if greedy.",
        Measured("accuracy of the base at temperature 1", "base", [Goal("high", "<", 0.5)]),
        Measured("decoded greedily", "base_greedy", [Goal("value", ">", "upper_end_of_base")]),
    ),
    claim("strong_runs", "learning_curves",
        "Reinforcement learning and on-policy distillation each leave at most half of the base's errors.",
        Measured("accuracy of the base", "base"),
        Measured(
            "final accuracy", "end",
            [Goal("low", ">", "upper_end_of_base"), Goal("value", ">=", "half_of_the_errors")], ["rl", "opd"],
        ),
    ),
    claim("rl_later", "learning_curves",
        "RL converges later than OPD: it needs more steps to {target} % of its own final accuracy.",
        AgainstRL(lambda evidence: spent_to_own_end("steps", evidence.target_share), "below"),
    ),
    claim("rl_rollouts", "learning_curves",
        "RL needs many rollouts: it samples more tokens than OPD to {target} % of its own final accuracy.",
        AgainstRL(lambda evidence: spent_to_own_end("sampled_tokens", evidence.target_share), "below"),
    ),
    claim("rl_ceiling", "learning_curves",
        "RL ends at a lower accuracy than OPD.",
        AgainstRL(measures.FINAL_ACCURACY, "above"),
        Measured("averaged over replicates", "end", methods=["rl", "opd"]),
        Measured("OPD minus RL, scored with the same random numbers", "opd_end_minus_rls", [BEYOND_ZERO]),
    ),
    claim("small_update", "norms",
        "OPD moves the weights less than RL: smaller update norm, embeddings closer to the base's.",
        AgainstRL(measures.UPDATE_NORM, "below"),
        AgainstRL(measures.EMBEDDING_COSINE, "above"),
    ),
    claim("signal_density", "alpha",
        "At equal length of the update OPD is more accurate than RL.",
        Measured("OPD's accuracy minus RL's", "opd_minus_rl_at_equal_length", [BEYOND_ZERO]),
    ),
    claim("steeper", "alpha",
        "Scaled by α, OPD's update gains more per unit of its length than RL's, at each α.",
        Measured("accuracy gained per unit of ‖α ΔW‖, OPD's minus RL's", "opd_minus_rl_gain_per_length", [BEYOND_ZERO]),
    ),
    claim("mlp_over_attention", "modules",
        "The MLPs' updates alone gain more than the attention's alone.",
        Measured("MLP minus attention", "mlp_minus_attention", [BEYOND_ZERO], COMPARED),
    ),
    claim("middle_layers", "windows",
        "The middle layers' MLP updates gain more than the bottom and top layers'.",
        Measured("middle half minus the rest", "middle_minus_rest", [BEYOND_ZERO], COMPARED),
        unheard=no_middle,
    ),
    claim("same_sensitivity", "windows",
        "RL and OPD are sensitive in the same places: their windows' accuracies correlate at 0.9 or more.",
        Measured("correlation over windows", "correlation_of_windows", [Goal("value", ">=", 0.9), BEYOND_ZERO]),
    ),
    claim("periphery", "norms",
        "RL spends more of its update on the bottom and top layers than OPD does, early and at the end.",
        AgainstRL(measures.share_held(measures.OUTER_HALF, 0.1), "below"),
        AgainstRL(measures.share_held(measures.OUTER_HALF, 1.0), "below"),
        unheard=no_middle,
    ),
    claim("embeddings", "modules",
        "Embeddings hardly matter: putting the base's back changes accuracy by less than 0.02.",
        Measured("change of accuracy", "base_embeddings", [Goal("reach", "<", 0.02)], COMPARED),
    ),
    claim("early_direction", "rescaling",
        "An early OPD update, stretched to the final norms, recovers 80 % of the final performance, and more than the "
        "checkpoint as it is.",
        Measured("of the final accuracy it recovers", "stretched_recovers", [Goal("value", ">=", 0.8)], ["opd"]),
        Measured("above the checkpoint as it is", "stretched_adds", [BEYOND_ZERO], ["opd"]),
        Measured("of the gain over the base", "stretched_gains", methods=COMPARED),
        Measured("of the final accuracy", "stretched_recovers", methods=["rl"]),
        Measured("above the checkpoint as it is", "stretched_adds", methods=["rl"]),
    ),
    claim("beta", "beta",
        "Stretching is best near the final norm: β between 0.8 and 1.2.",
        Measured("OPD's accuracy by β", "by_beta"),
        Measured(
            "the best of β between 0.8 and 1.2 against the best outside", "best_beta",
            [Goal("value", ">", 0.0), BEYOND_ZERO],
        ),
    ),
    claim("leading_rank", "truncation",
        "The leading 10 % of the update's components, at equal norm, keep more than 95 % of the final accuracy.",
        Measured(
            "share of the final accuracy kept", "kept_by_leading",
            [Goal("value", ">", 0.95), Goal("low", ">", 0.95)], COMPARED,
        ),
        Measured("kept by fewer", "kept_by_fewer"),
    ),
    claim("spared_attention", "norm_map",
        "OPD concentrates on the MLPs: attention holds less of its update than of RL's, early and at the end.",
        AgainstRL(measures.share_held(measures.ATTENTION, 0.1), "below"),
        AgainstRL(measures.share_held(measures.ATTENTION, 1.0), "below"),
    ),
    claim("early_alignment", "alignment",
        "OPD's update points where it will end sooner than RL's does: alignment ahead at 10 % and at 20 % of training.",
        AgainstRL(aligned_at(0.1), "above"),
        AgainstRL(aligned_at(0.2), "above"),
    ),
    claim("early_level", "alignment",
        "At 10 % of training OPD's alignment with its final update is 0.72 or more.",
        Measured("OPD's alignment there", "opd_early_alignment", [Goal("value", ">=", 0.72)]),
        Measured("0.72 is reached at", "opd_aligned_at"),
    ),
    claim("rl_aligned_late", "alignment",
        "RL is not as aligned as OPD at 10 % before 60 % of training.",
        Measured("OPD's alignment at 10 % of training", "opd_early_alignment"),
        Measured("RL's is as high at", "rl_as_aligned_at", [Goal("value", ">=", LATE)]),
    ),
    claim("spectral_norm", "spectral_table",
        "The largest singular value of OPD's update is larger than that of RL's.",
        AgainstRL(TABLE_1["spectral_norm"], "above"),
        Measured("in pairs", "opd_minus_rl_spectral_norm", [BEYOND_ZERO]),
    ),
    claim("spectral_ratio", "spectral_table",
        "OPD's dominant directions carry more of its update: a higher spectral/Frobenius ratio than RL's.",
        AgainstRL(TABLE_1["spectral_frobenius_ratio"], "above"),
        Measured("in pairs", "opd_minus_rl_spectral_frobenius_ratio", [BEYOND_ZERO]),
    ),
    claim("effective_rank", "spectral_table",
        "Fewer dimensions carry OPD's update: a lower effective rank than RL's.",
        AgainstRL(TABLE_1["effective_rank"], "below"),
        Measured("in pairs", "opd_minus_rl_effective_rank", [Goal("high", "<", 0.0)]),
    ),
    claim("top1_ratio", "spectral_table",
        "The leading 1 % of directions hold more of OPD's update: a higher top-1 % norm ratio than RL's.",
        AgainstRL(TABLE_1["top1_norm_ratio"], "above"),
        Measured("in pairs", "opd_minus_rl_top1_norm_ratio", [BEYOND_ZERO]),
        Measured("here this is the spectral/Frobenius ratio", "one_component"),
    ),
    claim("fewer_steps", "speedup",
        "EffOPD reaches {target} % of OPD's final accuracy in at most a third of OPD's steps, both at the same "
        "learning rate.",
        Faster("steps", "OPD's steps over EffOPD's", [Goal("value", ">=", 3.0), Goal("value", ">", 1.0)]),
        Faster("checkpoints", "counted at checkpoints, without interpolation"),
    ),
    claim("less_time", "speedup",
        "EffOPD is not slower than OPD in processor time, with the validation of its candidates counted.",
        Faster("cpu", "OPD's seconds over EffOPD's", [Goal("value", ">=", 1.0)], some=Goal("value", ">=", 1.0)),
    ),
    claim("best_rate", "speedup",
        "EffOPD is faster than OPD at the best of the learning rates tried, in steps and in processor time.",
        Faster("best_lr_steps", "steps at the best rate over EffOPD's", [Goal("value", ">", 1.0)]),
        Faster("best_lr_cpu", "in processor seconds", [Goal("value", ">", 1.0)]),
        Measured("rates tried", "rates"),
        Measured("fewest steps at", "best_rates"),
        unheard=no_sweep,
    ),
    claim("few_searches", "candidates",
        "The search is cheap: 1 + log₂ T of them in T steps, whose validation takes at most 10 % of the time of the "
        "training steps that it saves.",
        Measured("searches of the replicates", "searches", [Goal("value", "<=", 0.0)]),
        Measured(
            "processor seconds of its searches over those of OPD's steps saved on the way to the target",
            "validation_over_saved", [Goal("value", "<=", 0.1)],
        ),
    ),
    claim("validation_set", "candidates",
        "Easy, medium and hard validation prompts give consistent signals of which leap to keep: each third keeps what "
        "all of them keep in at least 80 % of the searches.",
        Measured("the same is kept in", "thirds_agree", [Goal("value", ">=", 0.8)]),
    ),
    claim("ten_steps", "learning_curves",
        "After 10 steps EffOPD is at least as accurate as OPD after 35.",
        Measured(
            "EffOPD after 10 steps minus OPD after 35, interpolated in the logarithm of the step",
            "effopd_after_10_minus_opd_after_35_steps", [Goal("value", ">=", 0.0)],
        ),
    ),
    claim("fourth_step", "learning_curves",
        "EffOPD is strong by its step 4: at most half of the base's errors are left.",
        Measured("accuracy after step 4", "effopd_after_4_steps", [Goal("value", ">=", "half_of_the_errors")]),
        Measured("half of the base's errors are left at", "half_of_the_errors"),
    ),
    claim("same_end", "learning_curves",
        "The speed-up costs no final accuracy: EffOPD ends at most 0.02 below OPD.",
        Measured("final accuracy", "end", methods=["effopd", "opd"]),
        Measured("EffOPD minus OPD in each replicate", "effopd_end_minus_opds", [Goal("value", ">=", -0.02)]),
    ),
    claim("overshoot", "extrapolation",
        "Fixed extrapolation of OPD sometimes overshoots: its update is longer than the final one, and less accurate "
        "than the checkpoint it starts from. EffOPD, which validates, is not behind OPD at the same step.",
        Measured("predictions of OPD's final weights that overshot", "overshooting", [Goal("value", ">", 0.0)]),
        Measured("EffOPD against OPD", "effopd_minus_opd_at_start", [Goal("value", ">=", 0.0)]),
    ),
    claim("every_scale", "benchmarks",
        "All of this holds from 1.5B to 32B parameters and on seven benchmarks of mathematics, code and science.",
        unheard=one_size,
    ),
)
# fmt: on


def judge_all(evidence: Evidence) -> tuple[Judged, ...]:
    return tuple(judge(one, evidence) for one in CLAIMS)
