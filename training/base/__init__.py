"""How the shipped base model was made: tunes, clips, codec, denoiser, judges, shipping.

python -m training.base.render          tunes of the corpus and recordings to clips
python -m training.base.train_codec     clips to a codec
python -m training.base.train_vocoder   log-mels to their sound
python -m training.base.features        clips to latents, captions, styles and plans
python -m training.base.train_denoiser  latents to a denoiser
python -m training.base.ship            the checkpoints to serving/base/
python -m training.base.sketch          what a half-made track's spectrogram says of its sound
python -m training.base.evaluate        the table of what a base can do
python -m training.base.figure          generated clips beside held-out songs, as a picture
python -m training.base.uploads         what uploads lead to, before and after a round
"""
