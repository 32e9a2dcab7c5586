mod bench;
mod life;
mod trouble;
