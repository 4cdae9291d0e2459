"""The sentence-level interface of a language model: distances and probabilities of single sentences."""

# V vocabulary, L layers.

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from app.common.errors import UserError
from app.common.seeds import generator
from app.common.vocabulary import Vocabulary
from app.modules.low_overhead_module import LowOverheadModule
from app.modules.probabilities import sentence_log_probabilities
from app.modules.readings import Reading, read_alone, read_on, read_states
from app.modules.sampling import sample_sentences
from app.modules.sentences import sentence_distances
from app.nets import RecurrentNet
from app.nets.decoder import Decoder


class SentenceReader(LowOverheadModule):
    """Sentence-level interface of a language model.

    Attributes:
        embedding: of V words.
        net: reads embeddings.
        decoder: predicts V words.
        vocabulary: the V words; None until data or a checkpoint supplies them.
    """

    embedding: nn.Embedding
    net: RecurrentNet
    decoder: Decoder
    vocabulary: Vocabulary | None

    @property
    def distance_layers(self) -> int:
        """The number of layers for which `distances` gives values."""
        return len(self.net.layers)

    def distances(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        """Syntactic distances of sentences, each read by itself: from a state of zeros, `<eos>` before its first word.

        Args:
            sentences: of one word or more each; unknown words are read as `<unk>`.

        Returns:
            For each sentence of n words float (L, n), on the CPU: one value per layer and word, taken when the word is
            read.

        Raises:
            UserError: a sentence is empty, or the model has no vocabulary yet.
        """
        with self._evaluating() as vocabulary:
            return sentence_distances(self.embedding, self.net, vocabulary, sentences)

    def log_probabilities(
        self, sentences: Sequence[Sequence[str]], *, advance: Callable[[int], None] | None = None
    ) -> Tensor:
        """log p of sentences, each read by itself: from a state of zeros, `<eos>` before its first word.

        A final full stop or `<eos>` counts only if it is among the words of the sentence.

        Args:
            sentences: of one word or more each; unknown words are read, and predicted, as `<unk>`.
            advance: called with the number of different sentences done since the last call.

        Returns:
            float64 (number of sentences,), in nats, on the CPU.

        Raises:
            UserError: a sentence is empty, or the model has no vocabulary yet.
        """
        with self._evaluating() as vocabulary:
            return sentence_log_probabilities(
                self.embedding, self.net, self.decoder, vocabulary, sentences, advance=advance
            )

    def readings(
        self,
        sentences: Sequence[Sequence[str]],
        *,
        carried: bool = False,
        advance: Callable[[int], None] = lambda done: None,
    ) -> list[Reading]:
        """Surprisal and entropy, in bits, and distances of each word of sentences.

        Args:
            sentences: of one word or more each; unknown words are read, and predicted, as `<unk>`.
            carried: whether the sentences are one text, whose state is carried from each to the next; else each is read
                by itself. `<eos>` is read before each either way.
            advance: called with the number of sentences done since the last call.

        Raises:
            UserError: a sentence is empty, or the model has no vocabulary yet.
        """
        with self._evaluating() as vocabulary:
            read = read_on if carried else read_alone
            return read(self.embedding, self.net, self.decoder, vocabulary, sentences, advance)

    def hidden_states(
        self, sentences: Sequence[Sequence[str]], *, advance: Callable[[int], None] = lambda done: None
    ) -> list[list[Tensor]]:
        """The hidden states of all layers for each word of sentences, each read by itself.

        Args:
            sentences: of one word or more each; unknown words are read as `<unk>`.
            advance: called with the number of sentences done since the last call.

        Returns:
            For each sentence of n words and each layer of H units, the lowest first, float32 (n, H), on the CPU.

        Raises:
            UserError: a sentence is empty, or the model has no vocabulary yet.
        """
        with self._evaluating() as vocabulary:
            return read_states(self.embedding, self.net, vocabulary, sentences, advance)

    def sample(
        self,
        number: int,
        *,
        temperature: float = 1.0,
        longest: int = 100,
        seed: int = 0,
        advance: Callable[[int], object] = lambda done: None,
    ) -> list[list[str]]:
        """Sentences drawn word by word; see `app.modules.sampling`.

        Args:
            number: of sentences.
            temperature: 1 for the model's own probabilities, less for likelier words.
            longest: words after which a sentence is cut off.
            seed: of the random numbers.
            advance: called with the number of sentences that have ended since the last call.

        Returns:
            The words of each, without `<eos>`.

        Raises:
            UserError: an argument is out of range, or the model has no vocabulary yet.
        """
        with self._evaluating() as vocabulary:
            return sample_sentences(
                self.embedding,
                self.net,
                self.decoder,
                vocabulary,
                number,
                temperature=temperature,
                longest=longest,
                generator=generator(seed),
                advance=advance,
            )

    @contextmanager
    def _evaluating(self) -> Iterator[Vocabulary]:
        """Switch to evaluation mode for a while; yields the vocabulary."""
        if self.vocabulary is None:
            raise UserError("this model does not know its words yet; load a checkpoint of it, or give it data")
        training = self.training
        self.eval()
        try:
            yield self.vocabulary
        finally:
            self.train(training)

    def set_vocabulary(self, vocabulary: Vocabulary, source: str) -> None:
        """Set the vocabulary; once it is set, check that it stays the same, and keep its spelling.

        Args:
            vocabulary: V words.
            source: where they come from, for the error message.

        Raises:
            UserError: the model already has another vocabulary.
        """
        if self.vocabulary is not None and self.vocabulary.sha256 != vocabulary.sha256:
            raise UserError(
                f"the vocabulary of {source} is not the one this model knows (SHA-256 {vocabulary.sha256[:12]}, not "
                f"{self.vocabulary.sha256[:12]}); use the data that it was trained on"
            )
        self.vocabulary = self.vocabulary or vocabulary
