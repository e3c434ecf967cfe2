"""Fine-tuning with transformers, peft and accelerate."""
