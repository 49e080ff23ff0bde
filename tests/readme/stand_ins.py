"""What stands in for the real models, services and machines when README.md is executed, each with its reason.

Everything else is run word for word: the names of the policy, of NLLB 3.3B, of PKU-SafeRLHF, of MultiJail and of the
published dataset resolve on a loopback Hub, which serves the pocket models and the pocket world under those names.
"""

from mpodata.pocket import chat_path, nllb_path

# Hub id -> folder of the pocket model served under it.
MODELS = {"meta-llama/Llama-3.1-8B-Instruct": chat_path(), "facebook/nllb-200-3.3B": nllb_path()}
# Hub id -> shape in which the loopback Hub serves the prompts of the pocket world.
DATASETS = {"PKU-Alignment/PKU-SafeRLHF": "pku-saferlhf", "DAMO-NLP-SG/MultiJail": "multijail"}

# Words of a command -> what is run in their place; {...} are addresses of loopback servers.
WORDS = {
    # vLLM takes most of a minute to start (tests marked vllm run it); 100 pairs in six languages take minutes, and the
    # pocket models know neither Japanese nor Korean.
    "--recipe mpo-paper": "--recipe mpo-paper --engine transformers --pairs 6 --languages sw "
    "--set sampling.max_tokens=40",
    # No GPU, let alone eight: tests/mpotrain/training/test_launch.py starts every mode on several processes.
    "--launch zero2 --nproc 8 --output_dir": "--use_cpu true --bf16 false --max_steps 2 --output_dir",
    "--gradient_checkpointing true --output_dir": "--gradient_checkpointing true --use_cpu true --bf16 false "
    "--max_steps 2 --output_dir",
    # An 8 B guard; tests/mpodata/refusals/test_guards.py reads what guards say.
    "--judge llama-guard-3": "--judge rules --limit 2 --max-tokens 40 --languages en,sw",
    # Google's page on loopback, answered by pocket-nllb.
    "--translator google": "--translator google --set translator.options.endpoint={google} "
    "--set translator.options.rate=1000",
    # A translating chat model behind an OpenAI-compatible server on loopback, answered by pocket-nllb; pocket-nllb for
    # what it refuses.
    "translator.options.backend=vllm": "\"translator.options.backend_options={{base_url: '{chat}'}}\"",
    "--set translator.options.template=translategemma": "",
    "translator.options.fallback=madlad-3b": "translator.options.fallback=pocket-nllb",
    # pocket-nllb knows neither Japanese nor Korean; one language is enough here.
    "--languages zh,ja,ko,ar,bn,sw --out": "--languages sw --out",
    # One run of the sweep instead of two.
    "--values beta=0.05,0.1": "--values beta=0.05",
    # Minutes, and hours: tests/mpotrain/reproduce runs tables to their end.
    "reproduce mpo --table 5 --model pocket-chat": "reproduce mpo --table 5 --model pocket-chat --dry-run",
    "--launch zero2 --nproc 8 --data mt-bench=mt-bench": "--launch zero2 --nproc 8 --data mt-bench=mt-bench --dry-run",
    # Small sizes of the pocket world's own build.
    '"samples=24"': '"samples=12"',
}

# The beginning of a command that is not run -> why; what can be checked of it is checked.
NOT_RUN = {
    "scripts/quickstart": "installs into .venv; run before a release, which writes what it prints into the page",
    "scripts/test": "runs this test",
    "pip install": "installs from the package index; its extras are checked against what the page uses",
    "hf auth login": "asks a person for a token; the loopback Hub's is in $HF_TOKEN",
}
