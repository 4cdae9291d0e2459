"""What a language model makes of sentences that it is asked about, one by one."""

# V vocabulary, L layers.

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from app.common.errors import UserError
from app.common.vocabulary import Vocabulary
from app.modules.low_overhead import LeanModule
from app.modules.probabilities import sentence_log_probabilities
from app.modules.sentences import sentence_distances
from app.nets import RecurrentNet


class SentenceReader(LeanModule):
    """A language model, as those know it who have sentences and no windows of text.

    Attributes:
        embedding: of V words.
        net: reads embeddings.
        decoder: scores V words.
        vocabulary: the words, None while nobody has said them.
    """

    embedding: nn.Embedding
    net: RecurrentNet
    decoder: nn.Linear
    vocabulary: Vocabulary | None

    @property
    def distance_layers(self) -> int:
        """How many layers `distances` are of."""
        return len(self.net.layers)

    def distances(self, sentences: Sequence[Sequence[str]]) -> list[Tensor]:
        """Syntactic distances of sentences, each read by itself: from a state of zeros, `<eos>` before its first word.

        Args:
            sentences: of one word or more each; unknown words are read as `<unk>`.

        Returns:
            For each sentence of n words float (L, n), on the CPU: one value per layer and word, taken when the word is
            read.

        Raises:
            UserError: a sentence is empty, or nobody has said which words the model knows.
        """
        with self._evaluating() as vocabulary:
            return sentence_distances(self.embedding, self.net, vocabulary, sentences)

    def log_probabilities(
        self, sentences: Sequence[Sequence[str]], *, advance: Callable[[int], None] | None = None
    ) -> Tensor:
        """log p of sentences, each read by itself: from a state of zeros, `<eos>` before its first word.

        What ends a sentence, a full stop or `<eos>`, counts only where it is among its words.

        Args:
            sentences: of one word or more each; unknown words are read, and predicted, as `<unk>`.
            advance: called with the number of different sentences done since the last time.

        Returns:
            float64 (number of sentences,), in nats, on the CPU.

        Raises:
            UserError: a sentence is empty, or nobody has said which words the model knows.
        """
        with self._evaluating() as vocabulary:
            return sentence_log_probabilities(
                self.embedding, self.net, self.decoder, vocabulary, sentences, advance=advance
            )

    @contextmanager
    def _evaluating(self) -> Iterator[Vocabulary]:
        """The words that the model knows, and no dropout meanwhile."""
        if self.vocabulary is None:
            raise UserError("this model does not know its words yet; load a checkpoint of it, or give it data")
        training = self.training
        self.eval()
        try:
            yield self.vocabulary
        finally:
            self.train(training)

    def meet(self, vocabulary: Vocabulary, whose: str) -> None:
        """Take a vocabulary, or make sure that it is the one taken before.

        Args:
            vocabulary: of V words.
            whose: they are, for the mistake.

        Raises:
            UserError: the model knows other words.
        """
        if self.vocabulary is not None and self.vocabulary.sha256 != vocabulary.sha256:
            raise UserError(
                f"the vocabulary of {whose} is not the one this model knows (SHA-256 {vocabulary.sha256[:12]}, not "
                f"{self.vocabulary.sha256[:12]}); use the data that it was trained on"
            )
        self.vocabulary = vocabulary
